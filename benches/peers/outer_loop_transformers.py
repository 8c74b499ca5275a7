"""transformers and PEFT as the Python side of `outer_loop_vs_python.py`: one stage of the loop a process.

`python outer_loop_transformers.py prepare MODEL.gguf DIRECTORY` dequantizes the weights to F32 and keeps
them with the tokenizer as a transformers directory, so that this is not part of any stage.

`python outer_loop_transformers.py generate JOB.json` answers the job's prompts with `model.generate`:
batches padded on the left, `num_return_sequences` samples of each, all tokens allowed, cut at the stop
strings. An adapter is merged into the weights first.

`python outer_loop_transformers.py train JOB.json` trains a LoRA adapter as `Trainer` does with a padding
collator and library defaults (`peft_training.py`): logits of all positions, the model's own loss.

`python outer_loop_transformers.py count DIRECTORY PAIRS.jsonl` prints how many tokens the pairs have.

What a stage took is in the job's `out`, loading apart. With `at_most` a process ends after so many
seconds; the same job goes on where it was.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import peft_training
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def prepare(gguf, directory):
    peft_training.prepare(gguf, directory)
    folder, name = os.path.split(os.path.abspath(gguf))
    AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(directory)


def load(job):
    torch.set_num_threads(job["threads"])
    torch.manual_seed(job["seed"])
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(job["model"], padding_side="left")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return model, tokenizer


def so_far(job, empty):
    path = Path(job["out"])
    return json.loads(path.read_text()) if path.exists() else {"seconds": 0.0, "peak_bytes": 0, **empty}


def save(job, state):
    state["peak_bytes"] = max(state["peak_bytes"], peft_training.peak_bytes())
    Path(job["out"]).write_text(json.dumps(state))


def cut(text, stops):
    ends = [text.find(stop) for stop in stops if stop in text]
    return text[: min(ends)] if ends else text


def answer_batch(model, tokenizer, job, prompts):
    """For each prompt a list of its answers."""
    inputs = tokenizer(prompts, return_tensors="pt", padding=True)
    how = {"do_sample": False}
    if job["temperature"] > 0:
        how = {"do_sample": True, "temperature": job["temperature"], "top_k": 0, "top_p": 1.0}
    with torch.inference_mode():
        made = model.generate(
            **inputs, **how, num_return_sequences=job["samples"], max_new_tokens=job["max_tokens"],
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
            stop_strings=job["stops"], tokenizer=tokenizer,
        )  # fmt: skip
    answers = []
    for row in made[:, inputs["input_ids"].shape[1] :]:
        # Rows that have ended are filled up with padding.
        ended = (row == tokenizer.eos_token_id) | (row == tokenizer.pad_token_id)
        tokens = int(ended.int().argmax()) if ended.any() else len(row)
        text = tokenizer.decode(row[:tokens], skip_special_tokens=True)
        answers.append({"text": cut(text, job["stops"]).strip(), "tokens": tokens})
    samples = job["samples"]
    return [answers[at : at + samples] for at in range(0, len(answers), samples)]


def generate(path):
    job = json.loads(Path(path).read_text())
    state = so_far(job, {"answers": []})
    begun = time.perf_counter()
    model, tokenizer = load(job)
    if job["adapter"]:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, job["adapter"]).merge_and_unload()
    model.eval()
    state["load_seconds"] = time.perf_counter() - begun
    torch.manual_seed(job["seed"] + len(state["answers"]))
    here = 0.0
    while len(state["answers"]) < len(job["prompts"]) and here < (job["at_most"] or float("inf")):
        begun = time.perf_counter()
        at = len(state["answers"])
        state["answers"] += answer_batch(model, tokenizer, job, job["prompts"][at : at + job["batch"]])
        seconds = time.perf_counter() - begun
        here += seconds
        state["seconds"] += seconds
        save(job, state)
        print(f"  {len(state['answers'])} of {len(job['prompts'])} prompts, {state['seconds']:.0f} s", file=sys.stderr)


def encode(tokenizer, pairs):
    """Token ids with the end-of-text token, and how many of them are the prompt's."""
    sequences = []
    for pair in pairs:
        prompt, completion = (tokenizer(pair[key])["input_ids"] for key in ("prompt", "completion"))
        tokens = prompt + completion + [tokenizer.eos_token_id]
        sequences.append({"tokens": tokens, "prompt_tokens": len(prompt)})
    return sequences


def begin_training(job, model):
    from peft import LoraConfig, get_peft_model
    from transformers import get_linear_schedule_with_warmup

    linears = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = LoraConfig(
        r=job["rank"], lora_alpha=job["alpha"], lora_dropout=0.0, target_modules=linears, task_type="CAUSAL_LM"
    )
    model.config.use_cache = False
    model = get_peft_model(model, config)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=job["learning_rate"], weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, job["warm_up"], job["steps"])
    return model, trained, optimizer, schedule


def train(path):
    job = json.loads(Path(path).read_text())
    state = so_far(job, {"steps": 0, "tokens": 0, "padded": 0, "losses": []})
    begun = time.perf_counter()
    base, tokenizer = load(job)
    model, trained, optimizer, schedule = begin_training(job, base)
    kept = Path(job["out"]).with_suffix(".pt")
    if state["steps"]:
        values, moments, rate = torch.load(kept)
        for parameter, value in zip(trained, values):
            parameter.data.copy_(value)
        optimizer.load_state_dict(moments)
        schedule.load_state_dict(rate)
    state["load_seconds"] = time.perf_counter() - begun
    sequences = encode(tokenizer, job["pairs"])
    order, shuffled = [], random.Random(job["seed"])
    while len(order) < job["steps"] * job["batch"]:
        order += shuffled.sample(range(len(sequences)), len(sequences))
    here = 0.0
    while state["steps"] < job["steps"] and here < (job["at_most"] or float("inf")):
        begun = time.perf_counter()
        at = state["steps"] * job["batch"]
        batch = [sequences[i] for i in order[at : at + job["batch"]]]
        inputs = peft_training.collate(batch)
        optimizer.zero_grad(set_to_none=True)
        loss = peft_training.default_loss(model, inputs)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, job["clip"])
        optimizer.step()
        schedule.step()
        state["losses"].append(loss.item())
        seconds = time.perf_counter() - begun
        here += seconds
        state["seconds"] += seconds
        state["steps"] += 1
        state["tokens"] += sum(len(s["tokens"]) for s in batch)
        state["padded"] += inputs["input_ids"].numel()
    torch.save(([p.detach() for p in trained], optimizer.state_dict(), schedule.state_dict()), kept)
    if state["steps"] == job["steps"]:
        model.save_pretrained(job["adapter"])
    save(job, state)
    print(f"  {state['steps']} of {job['steps']} steps, {state['seconds']:.0f} s", file=sys.stderr)


def count(directory, path):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    with open(path) as lines:
        sequences = encode(tokenizer, map(json.loads, lines))
    print(json.dumps({"pairs": len(sequences), "tokens": sum(len(s["tokens"]) for s in sequences)}))


if __name__ == "__main__":
    {"prepare": prepare, "generate": generate, "train": train, "count": count}[sys.argv[1]](*sys.argv[2:])

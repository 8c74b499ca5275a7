"""PyTorch, transformers and PEFT on the batches of `training_vs_peft.py`.

`python peft_training.py prepare MODEL.gguf DIRECTORY` dequantizes the weights to F32 and keeps them as
a transformers directory, so that loading is not part of every round.

`python peft_training.py run DIRECTORY ADAPTER BATCHES.json MODE STEPS THREADS BATCHES` trains: from the same untrained
adapter for every batch, so many steps on it, AdamW, clipping at 1. MODE is `default`, what
`Trainer` does with a padding collator and library defaults (scaled-dot-product attention, logits of
all positions, the model's own loss), or `tuned`, where the output head and the loss see only
the positions that predict a completion token. Prints one line of JSON, as our example does.
"""

import json
import os
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import AutoModelForCausalLM

LEARNING_RATE = 4e-4


def prepare(gguf, directory):
    folder, name = os.path.split(os.path.abspath(gguf))
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    # What is left of the file's quantization, without which transformers saves the weights as they are.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(directory)


def collate(batch):
    """Padded on the right to the longest; labels of prompt and padding are -100."""
    longest = max(len(s["tokens"]) for s in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, sequence in enumerate(batch):
        tokens = torch.tensor(sequence["tokens"])
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
        labels[row, sequence["prompt_tokens"] : len(tokens)] = tokens[sequence["prompt_tokens"] :]
    # What a collator leaves out when nothing is padded, transformers need not look at.
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def default_loss(model, inputs):
    return model(**inputs).loss


def tuned_loss(model, inputs):
    causal = model.get_base_model()
    hidden = causal.model(inputs["input_ids"], attention_mask=inputs["attention_mask"]).last_hidden_state
    targets = inputs["labels"][:, 1:]
    wanted = targets != -100
    logits = causal.lm_head(hidden[:, :-1][wanted])
    return torch.nn.functional.cross_entropy(logits, targets[wanted])


def train(model, first, batch, loss_of, steps):
    """So many steps on one batch from the parameters `first`."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for name, value in first.items():
            trained[name].copy_(value)
    optimizer = torch.optim.AdamW(trained.values(), lr=LEARNING_RATE, weight_decay=0.0)
    inputs = collate(batch)
    report = {"tokens": sum(len(s["tokens"]) for s in batch), "seconds": [], "cpu": [], "losses": []}
    for _ in range(steps):
        begun, spent = time.perf_counter(), time.process_time()
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model, inputs)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
        optimizer.step()
        report["losses"].append(loss.item())
        report["seconds"].append(time.perf_counter() - begun)
        report["cpu"].append(time.process_time() - spent)
    return report


def peak_bytes():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def run(directory, adapter, path, mode, steps, threads, batches):
    from peft import PeftModel

    torch.set_num_threads(int(threads))
    begun = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="sdpa")
    model.config.use_cache = False
    model = PeftModel.from_pretrained(model, adapter, is_trainable=True)
    model.train()
    first = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    loaded = time.perf_counter() - begun
    loss_of = {"default": default_loss, "tuned": tuned_loss}[mode]
    given = json.load(open(path))["batches"][: int(batches)]
    done = [train(model, first, batch, loss_of, int(steps)) for batch in given]
    print("\n" + json.dumps({"load_seconds": loaded, "batches": done, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    {"prepare": prepare, "run": run}[sys.argv[1]](*sys.argv[2:])

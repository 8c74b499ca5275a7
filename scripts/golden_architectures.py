#!/usr/bin/env python3
"""Make a tiny golden model of every architecture, and the values the engine's tests compare with.

For each family of `tiny_families.py`: a Hugging Face directory, a GGUF file, a LoRA adapter in
both formats, and what transformers (eager attention, float32) and PEFT compute with them: logits,
greedy text, loss and the gradient of every adapter tensor.

Three others check the files before they are kept:

* llama.cpp (the xllamacpp wheel) reads the GGUF files, with and without the adapter, and must give
  the same probabilities at every position: the files are models of that family, not just our
  reading of it. Where llama.cpp's rules differ from transformers', the output says so;
* with `--llama-cpp SOURCES`, llama.cpp's own converter turns the directory into GGUF: tensors and
  metadata must be the same;
* windows must matter: one position more or less must move the logits well beyond the tolerance.

    python scripts/golden_architectures.py [--out DIR] [--family NAME] [--llama-cpp SOURCES]

Needs: torch, transformers, peft, gguf, numpy, safetensors; xllamacpp if you have it.
"""

import argparse
import json
import shutil
from pathlib import Path

from reference import temporary_directory, versions  # sets the environment first

import peft
import safetensors.torch
import torch
from golden_tiny import CHAT_TEMPLATE, MERGES, vocabulary
from tiny_checks import check_converter, check_llama_cpp, with_table_gelu
from tiny_families import CONTEXT, FAMILIES, WINDOW, build
from tiny_gguf import write_adapter, write_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

RANK, ALPHA = 4, 6.0
SEQUENCES = [
    {"ids": [1, 22, 20, 9, 7, 3, 31, 40, 35, 3, 84, 17, 60, 12, 5, 28, 9, 71, 2], "prompt_tokens": 8},
    {"ids": [69, 8, 6, 25, 94, 33, 14, 50, 41, 3, 66, 88, 2], "prompt_tokens": 5},
]
GREEDY = 24
GGUF_ADAPTERS = ("granite", "falcon-40b")  # one of each row order, to keep the tests' files small


def tokenizer():
    tokens, _ = vocabulary()
    merges = [tuple(m.split(" ")) for m in MERGES]
    tok = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tok.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tok, unk_token=tokens[0], pad_token=tokens[0], bos_token=tokens[1],
        eos_token=tokens[2], chat_template=CHAT_TEMPLATE, model_max_length=CONTEXT,
    )  # fmt: skip


def save_directory(path, family, model):
    shutil.rmtree(path, ignore_errors=True)
    model.to(family.dtype).save_pretrained(path, max_shard_size=family.shards)
    model.float()
    tokenizer().save_pretrained(path)
    again = type(model).from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
    for (name, kept), (_, read) in zip(model.named_parameters(), again.named_parameters()):
        assert torch.equal(kept, read), name
    return again


def with_adapter(family, model):
    config = peft.LoraConfig(
        r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM",
        target_modules=family.targets(), base_model_name_or_path=f"tiny-{family.name}",
    )  # fmt: skip
    tuned = peft.get_peft_model(model, config).eval()
    tuned.peft_config["default"].base_model_name_or_path = f"tiny-{family.name}"
    named = {k.replace(".default.", "."): v for k, v in tuned.named_parameters() if v.requires_grad}
    generator = torch.Generator().manual_seed(family.seed + 1000)
    with torch.no_grad():
        for name, value in named.items():
            scale = 0.7 / value.shape[1] ** 0.5 if "lora_A" in name else 0.15
            value.copy_(torch.randn(*value.shape, generator=generator) * scale)
    return tuned, named


def save_adapter(path, tuned):
    shutil.rmtree(path, ignore_errors=True)
    tuned.save_pretrained(path)
    (path / "README.md").unlink(missing_ok=True)  # a model card form, left empty by PEFT
    config = json.loads((path / "adapter_config.json").read_text())
    config["target_modules"].sort()  # PEFT keeps a set, whose order changes from run to run
    (path / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def logits(model, ids):
    return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


def loss_of(model):
    """Mean cross entropy over every completion token of the batch."""
    total, count = 0.0, 0
    for sequence in SEQUENCES:
        ids, start = sequence["ids"], sequence["prompt_tokens"]
        log_p = torch.log_softmax(logits(model, ids), -1)
        for t in range(start, len(ids)):  # the token at t is predicted at t - 1
            total, count = total - log_p[t - 1, ids[t]], count + 1
    return total / count


def greedy(model, ids):
    """Greedy continuation without a cache, and the smallest gap between the best two logits."""
    out, gap = [], float("inf")
    while len(out) < GREEDY:
        top = torch.topk(logits(model, ids + out)[-1].detach(), 2)
        gap = min(gap, float(top.values[0] - top.values[1]))
        out.append(int(top.indices[0]))
        if out[-1] == 2:
            break
    return out, gap


def largest_change(a, b):
    return float((a - b).abs().max() / a.abs().max())


def check_window(family):
    """A window one too large or too small must show, and first at the position it moves."""
    if not family.config.get("sliding_window"):
        return
    ids = SEQUENCES[0]["ids"]
    right = logits(build(family), ids).detach()
    for window in (WINDOW - 1, WINDOW + 1):
        wrong = logits(build(family, {"sliding_window": window}), ids).detach()
        first = min(window, WINDOW)
        assert torch.equal(right[:first], wrong[:first]) and largest_change(right, wrong) > 1e-2
        print(f"   window {window} instead of {WINDOW}: changes logits by {largest_change(right, wrong):.2f}")


def make(family, out, converter):
    print(family.name)
    directory = out / family.name
    directory.mkdir(parents=True, exist_ok=True)
    model = save_directory(directory / "huggingface", family, build(family))
    check_window(family)
    write_model(directory / "model.gguf", family, model)
    values = {f"logits_base.{i}": logits(model, s["ids"]) for i, s in enumerate(SEQUENCES)}
    starts = [s["ids"][: s["prompt_tokens"]] for s in SEQUENCES]
    texts, gaps = zip(*(greedy(model, start) for start in starts))
    tuned, named = with_adapter(family, model)
    save_adapter(directory / "adapter", tuned)
    if family.name in GGUF_ADAPTERS:
        write_adapter(directory / "adapter.gguf", family, model.config, named, ALPHA)
    values |= {f"logits_lora.{i}": logits(tuned, s["ids"]) for i, s in enumerate(SEQUENCES)}
    loss = loss_of(tuned)
    for name, gradient in zip(named, torch.autograd.grad(loss, list(named.values()))):
        assert float(gradient.abs().max()) > 1e-6, name
        values[f"gradient.{name}"] = gradient
    values = {k: v.detach().float().contiguous() for k, v in values.items()}
    adapter_effect = largest_change(values["logits_base.0"], values["logits_lora.0"])
    print(f"   loss {float(loss.detach()):.4f}, adapter moves logits by {adapter_effect:.2f},"
          f" smallest greedy gap {min(gaps):.1e}")  # fmt: skip
    assert adapter_effect > 0.1 and min(gaps) > 1e-4
    safetensors.torch.save_file(values, directory / "golden.safetensors")
    facts = {
        "made_by": "scripts/golden_architectures.py",
        "versions": versions("torch", "transformers", "peft", "numpy", "gguf"),
        "rank": RANK, "alpha": ALPHA, "sequences": SEQUENCES, "loss": float(loss.detach()),
        "greedy": [{"prompt": p, "tokens": t} for p, t in zip(starts, texts)],
        "llama_cpp": compare_llama_cpp(family, directory),
    }  # fmt: skip
    if converter:
        check_converter(family, directory, converter)
    text = json.dumps(facts, indent=1)
    (directory / "golden.json").write_text(text + "\n", encoding="utf-8")


def compare_llama_cpp(family, committed):
    """What llama.cpp says about the committed files, or about variants that it can represent."""
    found = {}
    for label, changes in family.llama_cpp_variants.items():
        with temporary_directory() as scratch:
            path, adapter = committed / "model.gguf", Path(scratch) / "adapter.gguf"
            model = build(family, changes)
            if changes:
                path = Path(scratch) / "model.gguf"
                write_model(path, family, model)
            tuned, named = with_adapter(family, model)
            write_adapter(adapter, family, model.config, named, ALPHA)
            ids = SEQUENCES[0]["ids"][: WINDOW if family.llama_cpp_ignores_window else None]
            gelu = family.falcon or family.gemma
            steps = [("transformers", tuned, 3e-2 if gelu else 5e-5)]
            if gelu:
                steps.append(("transformers with llama.cpp's gelu", None, 1e-2))
            for against, peer, tolerance in steps:
                peer = peer or with_table_gelu(tuned)
                base, lora = both(peer, ids)
                name = f"{label}, against {against}"
                found[name] = check_llama_cpp(family, path, adapter, ids, base, lora, tolerance)
                print(f"   llama.cpp, {name}: {found[name]}")
    return found


@torch.no_grad()
def both(tuned, ids):
    """Log probabilities without and with the adapter."""
    with tuned.disable_adapter():
        base = torch.log_softmax(logits(tuned, ids), -1)
    return base, torch.log_softmax(logits(tuned, ids), -1)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = Path(__file__).resolve().parent.parent / "crates/engine/tests/golden/architectures"
    arguments.add_argument("--out", type=Path, default=default)
    arguments.add_argument("--family", choices=[f.name for f in FAMILIES])
    arguments.add_argument("--llama-cpp", type=Path, help="llama.cpp's sources, for its converter")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for family in FAMILIES:
        if options.family in (None, family.name):
            make(family, options.out, options.llama_cpp)


if __name__ == "__main__":
    main()

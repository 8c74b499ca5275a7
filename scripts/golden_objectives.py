#!/usr/bin/env python3
"""Make the losses and gradients of every training objective, on the tiny llama of `golden_tiny.py`.

transformers and PEFT compute the network and autograd the gradients; the losses are written out
here from their papers' formulas:

* `rslora`, `dora`: mean cross-entropy of completions through PEFT's rsLoRA and DoRA;
* `dpo`: direct preference optimization (Rafailov et al. 2023, equation 7), beta 0.1, against the base;
* `dpo_nll`: the same plus 0.7 times the chosen answer's negative log-probability divided by its
  length (Pang et al. 2024, equation 1, with the sums of log-probabilities in its DPO term);
* `comparison`: Bradley-Terry on a score head, `score`: squared error on a score head
  (`AutoModelForSequenceClassification` with one label, read at the last token);
* `everything`, `everything_dpo`, `everything_tied`: all parameters instead of an adapter; their
  gradients have the names and the row order of the GGUF file.

    python scripts/golden_objectives.py [OUT_DIR]      # default: crates/engine/tests/golden/objectives

Needs: torch, transformers, peft, safetensors, gguf.
"""

import json
import shutil
import sys
from pathlib import Path

from reference import permute, versions  # noqa: E402  (sets the environment first)

import peft
import torch
from safetensors.torch import save_file
from transformers import LlamaForSequenceClassification

import golden_tiny as tiny

BETA, NLL = 0.1, 0.7
PAIRS = [
    {"prompt": [1, 22, 20, 9, 7], "chosen": [3, 31, 40, 35, 2], "rejected": [3, 84, 12, 2]},
    {"prompt": [69, 8, 6], "chosen": [25, 94, 33, 2], "rejected": [25, 70, 71, 72, 59, 2]},
    {"prompt": [1, 13, 14, 15, 4, 70], "chosen": [88, 2], "rejected": [11, 17, 66, 2]},
]
WANTED = [0.8, -1.5, 0.25]


def log_probability(model, prompt, answer):
    logits = model(input_ids=torch.tensor([prompt + answer]), use_cache=False).logits[0]
    logp = torch.log_softmax(logits[len(prompt) - 1 : -1], -1)
    return logp[range(len(answer)), answer].sum()


def preference(model, reference, nll):
    """Mean over pairs; `reference` gives the base's log-probability of an answer."""
    total = 0.0
    for pair, base in zip(PAIRS, reference):
        chosen, rejected = (log_probability(model, pair["prompt"], pair[k]) for k in ("chosen", "rejected"))
        margin = (chosen - base["chosen"]) - (rejected - base["rejected"])
        total = total - torch.nn.functional.logsigmoid(BETA * margin)
        total = total - nll * chosen / len(pair["chosen"])
    return total / len(PAIRS)


def reference_of(model):
    with torch.no_grad():
        return [{k: log_probability(model, p["prompt"], p[k]) for k in ("chosen", "rejected")} for p in PAIRS]


def completions(model):
    return tiny.batch_loss(lambda ids: tiny.hf_logits(model, ids))[0]


def score(model, ids):
    return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, 0]


def comparison(model):
    gaps = [score(model, p["prompt"] + p["chosen"]) - score(model, p["prompt"] + p["rejected"]) for p in PAIRS]
    return -torch.nn.functional.logsigmoid(torch.stack(gaps)).mean()


def squared(model):
    errors = [score(model, s["ids"]) - wanted for s, wanted in zip(tiny.SEQUENCES, WANTED)]
    return (torch.stack(errors) ** 2).mean()


def adapted(kind):
    """A model with an adapter whose A and B are those of `golden_tiny.py`, and what of it learns."""
    head = kind == "score"
    config = peft.LoraConfig(
        r=tiny.RANK, lora_alpha=tiny.ALPHA, lora_dropout=0.0, bias="none",
        task_type="SEQ_CLS" if head else "CAUSAL_LM", base_model_name_or_path="tiny",
        target_modules=sorted(n.split(".")[1] for n in tiny.MODULES),
        use_rslora=kind == "rslora", use_dora=kind == "dora",
    )  # fmt: skip
    weights = tiny.make_weights(False)
    base = tiny.hf_model(weights, False)
    if head:
        base.config.num_labels = 1
        classifier = LlamaForSequenceClassification(base.config).float().eval()
        body = {k: v for k, v in weights.items() if not k.startswith("lm_head")}
        classifier.load_state_dict(body, strict=False)
        base = classifier
    model = peft.get_peft_model(base, config)
    model.peft_config["default"].base_model_name_or_path = "tiny"
    named = {k.replace(".default", "").replace(".modules_to_save", ""): v for k, v in model.named_parameters() if v.requires_grad}
    named = {k.removesuffix(".weight") if "magnitude" in k else k: v for k, v in named.items()}
    lora, generator = tiny.make_lora(), torch.Generator().manual_seed(5)
    with torch.no_grad():
        for key, value in named.items():
            if key in lora:
                value.copy_(lora[key])
            elif "magnitude" in key:  # PEFT begins with the rows' lengths; move away from there
                value.mul_(1 + 0.2 * torch.randn(value.shape, generator=generator))
            else:
                value.copy_(0.3 * torch.randn(value.shape, generator=generator))
    assert lora.keys() <= named.keys()
    return model, named


def gradients(loss, named):
    found = torch.autograd.grad(loss, list(named.values()))
    return {k: g.detach().float().contiguous() for k, g in zip(named, found)}


def gguf_name(name):
    if name.startswith("model.layers."):
        _, _, layer, rest = name.split(".", 3)
        short = tiny.GGUF_NAMES[rest.removesuffix(".weight")]
        return f"blk.{layer}.{short}.weight"
    return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
            "lm_head.weight": "output.weight"}[name]  # fmt: skip


def everything(tied, loss_of):
    model = tiny.hf_model(tiny.make_weights(tied), tied)
    loss = loss_of(model)
    named = dict(model.named_parameters())
    found = {}
    for key, gradient in gradients(loss, named).items():
        module = key.split(".", 3)[-1].removesuffix(".weight")
        if tiny.heads_of(module):
            gradient = torch.from_numpy(permute(gradient.numpy(), tiny.heads_of(module)).copy())
        found[gguf_name(key)] = gradient
    return loss, found


def save_adapter(model, directory):
    shutil.rmtree(directory, ignore_errors=True)
    model.save_pretrained(directory)
    (directory / "README.md").unlink(missing_ok=True)
    config = json.loads((directory / "adapter_config.json").read_text())
    config["target_modules"].sort()
    (directory / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def main():
    default = Path(__file__).resolve().parent.parent / "crates/engine/tests/golden/objectives"
    out_dir = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    out_dir.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    found = {}
    for kind in ("rslora", "dora"):
        model, named = adapted(kind)
        loss = completions(model)
        found[kind] = (loss, gradients(loss, named))
        save_adapter(model, out_dir / f"{kind}_adapter")
    base = reference_of(tiny.hf_model(tiny.make_weights(False), False))
    model, named = adapted("lora")
    for kind, nll in (("dpo", 0.0), ("dpo_nll", NLL)):
        loss = preference(model, base, nll)
        found[kind] = (loss, gradients(loss, named))
    model, named = adapted("score")
    for kind, loss in (("comparison", comparison(model)), ("score", squared(model))):
        found[kind] = (loss, gradients(loss, named))
    save_adapter(model, out_dir / "score_adapter")
    found["everything"] = everything(False, completions)
    found["everything_tied"] = everything(True, completions)
    found["everything_dpo"] = everything(False, lambda m: preference(m, reference_of(m), 0.0))
    for kind, (_, tensors) in found.items():
        save_file(tensors, out_dir / f"{kind}.safetensors")
    facts = {
        "made_by": "scripts/golden_objectives.py",
        "versions": versions("torch", "transformers", "peft"),
        "beta": BETA,
        "nll": NLL,
        "pairs": PAIRS,
        "completions": tiny.SEQUENCES,
        "wanted": WANTED,
        "losses": {kind: float(loss.detach()) for kind, (loss, _) in found.items()},
    }
    (out_dir / "golden.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps(facts["losses"], indent=1))


if __name__ == "__main__":
    main()

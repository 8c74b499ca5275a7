#!/usr/bin/env python3
"""Do PEFT and our engine mean the same by rsLoRA, DoRA and score heads?

    python scripts/check_peft_variants.py --engine TARGET/release/examples/adapter_logits

For the tiny llama of the tests, PEFT writes a random adapter of each kind; the engine reads it,
prints its logits and writes the adapter out again; PEFT reads that back. Logits must agree within
1e-4 both ways. The engine also writes the model with the adapter merged into it, and llama.cpp must
give the same probabilities with that file, within 1e-4. `adapter_logits` is an example of the engine:

    cargo build --release -p autodidact-engine --example adapter_logits

Ends with 1 if anything differs. Needs: torch, transformers, peft, gguf, safetensors, xllamacpp.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from reference import LlamaCpp, hf_model, temporary_directory, versions  # sets the environment first

import torch
from peft import LoraConfig, PeftModel, get_peft_model

TOLERANCE = 1e-4
TOKENS = [1, 22, 20, 9, 7, 3, 31, 40, 35, 3, 84, 17, 60, 12, 5, 28, 9, 71, 2]
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
KINDS = {
    "lora": {},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
    "rslora + dora": {"use_rslora": True, "use_dora": True},
    "dora on two": {"use_dora": True, "target_modules": ["q_proj", "v_proj"]},
}


def logits(model):
    with torch.no_grad():
        return model(input_ids=torch.tensor([TOKENS])).logits[0].double()


def random_adapter(base, options, directory):
    torch.manual_seed(7)
    config = {"r": 4, "lora_alpha": 6.0, "target_modules": LINEARS, "task_type": "CAUSAL_LM"} | options
    model = get_peft_model(base, LoraConfig(**config)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(directory)
    return logits(model)


def engine(program, base, adapter, out):
    command = [program, base, adapter, out]
    printed = subprocess.run(
        [str(c) for c in command], input=json.dumps(TOKENS), stdout=subprocess.PIPE, text=True, check=True
    )
    return torch.tensor(json.loads(printed.stdout), dtype=torch.float64)


def llama_cpp(model, expected):
    """The largest difference of log-probabilities at every position that llama.cpp tells about."""
    peer, worst, asked = LlamaCpp(model, context=256), 0.0, 0
    for n in range(1, len(TOKENS) + 1):
        got = peer.log_probabilities(TOKENS[:n], expected.shape[1])
        if got is not None:
            want = torch.log_softmax(expected[n - 1], -1)
            worst = max(worst, max(abs(v - float(want[i])) for i, v in got.items()))
            asked += 1
    assert asked > len(TOKENS) // 2, "llama.cpp said too little"
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--engine", type=Path, required=True, help="the example adapter_logits")
    golden = Path(__file__).resolve().parent.parent / "crates/engine/tests/golden"
    parser.add_argument("--model", type=Path, default=golden / "tiny.gguf", help="a llama, GGUF in F32")
    args = parser.parse_args()
    print(versions("torch", "transformers", "peft"))
    good, plain = True, logits(hf_model(args.model))
    with temporary_directory() as tmp:
        for kind, options in KINDS.items():
            theirs, ours = Path(tmp) / kind / "theirs", Path(tmp) / kind / "ours"
            expected = random_adapter(hf_model(args.model), options, theirs)
            read = float((engine(args.engine, args.model, theirs, ours) - expected).abs().max())
            back = PeftModel.from_pretrained(hf_model(args.model), ours).eval()
            written = float((logits(back) - expected).abs().max())
            merged = llama_cpp(ours / "merged.gguf", expected)
            moved = float((expected - plain).abs().max())
            good &= read < TOLERANCE and written < TOLERANCE and merged < TOLERANCE and moved > 100 * TOLERANCE
            print(f"{kind}: ours reads theirs within {read:.1e}, PEFT reads ours within {written:.1e},"
                  f" llama.cpp reads the merged file within {merged:.1e}"
                  f" (the adapter moves logits by {moved:.2f})")  # fmt: skip
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

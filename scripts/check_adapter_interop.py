#!/usr/bin/env python3
"""Do other programs read our adapters, and do they then write the same text?

    python scripts/check_adapter_interop.py --model BASE.gguf --peft DIR --gguf-adapter ADAPTER.gguf \\
        --ours OURS.json

OURS.json holds prompts as token ids and what our engine generated greedily for them with the
adapter: {"prompts": [{"tokens": [...], "greedy": [...]}]}; an end token may close a generation.

* PEFT loads DIR (adapter_config.json, adapter_model.safetensors) onto the base, which transformers
  reads from the GGUF file: float32, dequantised weights, eager attention.
* llama.cpp loads the GGUF adapter onto an F32 copy of the base, since on a quantised file it rounds
  activations to 8 bits. With --quantised it runs on BASE.gguf as it is, which is what users do; for
  that reason alone many texts then part somewhere, so this shows that it loads, and no more.

Printed for each: how many prompts came out the same, token for token, and where the others first
part. Greedy decoding may part where two tokens are equally likely; such a place counts as a tie.
Since an adapter that is not applied at all would make them all agree on the base, the base without
the adapter is asked as well, and must differ somewhere. Ends with 1 if anything is wrong.

Needs: torch, transformers, accelerate, peft, gguf, numpy, safetensors, xllamacpp.
"""

import argparse
import json
import sys
from pathlib import Path

from reference import (  # noqa: E402  (sets the environment before torch is imported)
    LlamaCpp,
    dequantised_copy,
    fail,
    fields,
    hf_greedy,
    hf_model,
    temporary_directory,
    versions,
)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], epilog="scripts/README.md says what to install."
    )
    parser.add_argument("--model", type=Path, required=True, help="the base, a GGUF file")
    parser.add_argument("--peft", type=Path, required=True, help="the adapter, a PEFT directory")
    parser.add_argument("--gguf-adapter", type=Path, required=True, help="the adapter, a GGUF file")
    parser.add_argument("--ours", type=Path, required=True, help="what our engine generated, JSON")
    parser.add_argument("--tie", type=float, default=1e-3, help="largest logit gap of a tie (%(default)s)")
    parser.add_argument("--quantised", action="store_true", help="llama.cpp runs on the base as it is")
    args = parser.parse_args()
    for path in (args.model, args.peft, args.gguf_adapter, args.ours):
        if not path.exists():
            parser.error(f"{path} does not exist")
    return args


def read_prompts(path):
    prompts = json.loads(path.read_text(encoding="utf-8"))["prompts"]
    if not prompts:
        fail(f"{path} holds no prompts")
    for number, prompt in enumerate(prompts):
        if not prompt["tokens"] or not prompt["greedy"]:
            fail(f"prompt {number} of {path} has no tokens or no generation")
    return prompts


def control_tokens(meta):
    """The ids of the tokens that are no text: one of them is the end token we stop at."""
    return {i for i, kind in enumerate(meta["tokenizer.ggml.token_type"]) if kind == 3}


def first_difference(a, b):
    """The first place where two lists part, or None."""
    if a == b:
        return None
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def at(ids, step):
    return ids[step] if step < len(ids) else "the end"


def with_peft(args, prompts, end):
    """PEFT's ids and logit gaps for each prompt, and the base's ids without the adapter."""
    from peft import PeftModel

    base = hf_model(args.model)
    alone = [hf_greedy(base, p["tokens"], len(p["greedy"]), end)[0] for p in prompts]
    model = PeftModel.from_pretrained(base, str(args.peft), is_trainable=False).eval()
    tuned = [hf_greedy(model, p["tokens"], len(p["greedy"]), end) for p in prompts]
    return tuned, alone


def with_llama_cpp(args, prompts):
    """llama.cpp's ids for each prompt, the end token included."""
    context = max(len(p["tokens"]) + len(p["greedy"]) for p in prompts)
    context = -(-(context + 8) // 256) * 256
    with temporary_directory() as tmp:
        model = args.model
        if not args.quantised:
            model = Path(tmp) / "f32.gguf"
            dequantised_copy(args.model, model)
        peer = LlamaCpp(model, lora=args.gguf_adapter, context=context)
        return [peer.greedy(p["tokens"], len(p["greedy"]))[1] for p in prompts]


def compare(name, ours, theirs, gaps, tie):
    """Prints how many are the same; true if all are, ties apart."""
    same, ties, wrong = 0, 0, []
    for number, (a, b) in enumerate(zip(ours, theirs)):
        step = first_difference(a, b)
        if step is None:
            same += 1
            continue
        # The gap is known at every step that PEFT decoded; where PEFT itself had parted from us
        # before, it says nothing about this place.
        gap = gaps[number].get(step)
        is_tie = gap is not None and gap < tie
        ties += is_tie
        told = "unknown" if gap is None else f"{gap:.2e}"
        line = f"  prompt {number}: parts at token {step}: ours {at(a, step)}, theirs {at(b, step)}, gap {told}"
        print(line + (" (a tie)" if is_tie else ""))
        if not is_tie:
            wrong.append(number)
    print(f"{name}: {same} of {len(ours)} the same, {ties} parted at a tie, {len(wrong)} differ")
    return not wrong


def main():
    args = arguments()
    prompts = read_prompts(args.ours)
    meta = fields(args.model)
    end = meta["tokenizer.ggml.eos_token_id"]
    print(versions("torch", "transformers", "peft", "gguf", "xllamacpp"))

    ours = [p["greedy"] for p in prompts]
    tuned, alone = with_peft(args, prompts, end)
    peft = [ids for ids, _ in tuned]
    gaps = []
    for a, b, (_, gap) in zip(ours, peft, tuned):
        parted = first_difference(a, b)
        known = gap if parted is None else gap[: parted + 1]
        gaps.append(dict(enumerate(known)))

    changed = sum(a != b for a, b in zip(alone, peft))
    print(f"the adapter changes what the base writes for {changed} of {len(prompts)} prompts")
    good = compare("PEFT", ours, peft, gaps, args.tie)
    llama, control = with_llama_cpp(args, prompts), control_tokens(meta)
    # llama.cpp stops at everything that looks like an end token, we only at the one the file names.
    # Up to there and with that token itself it must agree; what we wrote after it, it never saw.
    early = [len(b) < len(a) and b != [] and b[-1] in control and b[-1] != end for a, b in zip(ours, llama)]
    seen = [a[: len(b)] if e else a for a, b, e in zip(ours, llama, early)]
    good &= compare("llama.cpp", seen, llama, gaps, args.tie)
    if any(early):
        print(f"  {sum(early)} of them are compared up to another end token only, where llama.cpp stops")
    if changed == 0:
        print("nothing is proved: the adapter makes no difference for these prompts", file=sys.stderr)
        good = False
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

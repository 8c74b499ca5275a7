"""Sampling, end to end: the embedded engine and llama.cpp on the same tokens, in one run.

    cargo build --release -p autodidact-engine --example workload_sampling
    python3 benches/sampling_vs_llama.py --model SmolLM2-135M-Instruct.Q4_1.gguf --llama LLAMA/bin \
        [--work DIR] [--rounds 3] [--threads 2] [--questions 64] [--sweep] [--only NAME,...]

The workload: a prefix of 440 tokens that all prompts share, 64 questions of about 40 tokens, 4
samples of each, 96 new tokens for every sample (nobody stops at an end-of-text token), temperature
0.8 over the whole vocabulary. Timed is everything from the first prompt token to the last sampled
one: prefix, questions, decoding, sampling; not the loading of weights. Rounds interleave and
the table shows medians.

llama.cpp is built from the sources on PyPI (how: `benches/llama.py`). It is driven the fastest way
`llama-server` offers: token ids over HTTP without streaming, the prefix evaluated once and its
state copied to the slots, a question evaluated once for its samples (`n`), and new requests as slots
become free. Its best configuration is what `--sweep` found on the machine of `docs/performance.md`
(smaller workload, all weight types, caches, slots); "as shipped" is the Q4_1 file with the server's
own settings but for slots and context. Nobody samples with more than the temperature, which is
what the workload asks for; `default samplers` is the server with its own chain (top-k 40 and so on),
another distribution and cheaper to draw from. `llama-batched-bench` is decoding alone, without
sampling, at 64 sequences.

Weight types other than the model's own are made by `llama-quantize` in `--work`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import TARGET, machine
from llama import LlamaServer, batched_bench, quantized

OURS = TARGET / "examples" / "workload_sampling"
PLAIN = {"samplers": ["temperature"]}
# Name, weights, slots, settings of the server, what requests say besides.
BEST = ("llama.cpp, its best", "F32", 64, {"cache": "f32", "flash": "off"}, PLAIN)
SHIPPED = ("llama.cpp, as shipped", None, 64, {"cache": "f16", "flash": "auto"}, PLAIN)
PEERS = [
    BEST,
    SHIPPED,
    ("llama.cpp, its best, default samplers", *BEST[1:4], {}),
    ("llama.cpp, Q8_0", "Q8_0", 64, {"cache": "f32", "flash": "off"}, PLAIN),
]
SWEEP = [
    (f"{kind or 'as is'}, cache {cache}, flash {flash}, {slots} slots{', unified' if unified else ''}",
     kind, slots, {"cache": cache, "flash": flash, "unified": unified}, PLAIN)
    for kind in ("F32", "Q8_0", "Q4_0", None)
    for cache, flash in (("f32", "off"), ("f16", "auto"))
    for slots, unified in ((16, False), (32, False), (64, False), (128, False), (64, True))
]  # fmt: skip


def tokens_wanted(given):
    return given.questions * given.samples * given.new


def ours(given, prompts):
    command = [
        OURS, "run", given.model, prompts, "--questions", given.questions, "--samples", given.samples,
        "--new", given.new, "--threads", given.threads, "--batch", given.batch,
    ]  # fmt: skip
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{OURS}: {done.stderr[-400:]}")
    said = json.loads(done.stdout)
    return {"seconds": said["seconds"], "peak": said["peak_bytes"]}


def peer(given, prompts, model, slots, settings, body):
    """One run of llama-server over the whole workload."""
    prompts = json.loads(Path(prompts).read_text())
    prefix, questions = prompts["prefix"], prompts["questions"][: given.questions]
    longest = len(prefix) + max(map(len, questions)) + given.new + 2
    slots = min(slots, given.questions * given.samples)
    body = {"n_predict": given.new, "ignore_eos": True, "temperature": 0.8, "seed": 1, **body}
    with LlamaServer(
        given.llama, model, slots, longest, given.threads, samples=given.samples, **settings
    ) as server:
        begun = time.monotonic()
        server.share(prefix)
        answers = server.complete([prefix + question for question in questions], body)
        seconds = time.monotonic() - begun
        made = sum(answer["tokens_predicted"] for several in answers for answer in several)
        if made != tokens_wanted(given):
            raise RuntimeError(f"{made} tokens instead of {tokens_wanted(given)}")
        reused = statistics.median(several[0]["timings"]["cache_n"] for several in answers)
        if reused < len(prefix) - 1:
            raise RuntimeError(f"only {reused} tokens of the prefix were found cached")
        return {"seconds": seconds, "peak": server.peak_bytes()}


def decoding(given, model, slots, cache, flash):
    more = ["-fa", flash, "-ctk", cache, "-ctv", cache]
    return batched_bench(given.llama, model, given.threads, 480, given.new // 2, slots, slots * 640, *more)


def our_decoding(given, prompts):
    command = [OURS, "run", given.model, prompts, "--questions", 16, "--samples", 4, "--new", given.new // 2,
               "--threads", given.threads, "--decode", 64]  # fmt: skip
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["decode"][0]["tokens_per_second"]


def measure(given, prompts, work, entries):
    """All rounds; what each entry took, by name."""
    runs = {}
    models = {}
    for _, kind, *_ in entries:
        models[kind] = quantized(given.llama, given.model, kind, work) if kind else given.model
    for turn in range(given.rounds):
        print(f"round {turn + 1}: ours", file=sys.stderr)
        runs.setdefault("autodidact", []).append(ours(given, prompts))
        for name, kind, slots, settings, body in entries:
            print(f"round {turn + 1}: {name}", file=sys.stderr)
            try:
                done = peer(given, prompts, models[kind], slots, settings, body)
            except (RuntimeError, OSError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                continue
            print(f"  {done['seconds']:.1f} s", file=sys.stderr)
            runs.setdefault(name, []).append(done)
    return runs


def table(given, runs):
    mine = statistics.median(run["seconds"] for run in runs["autodidact"])
    print("| | seconds (least to most) | tokens/s | peak memory | we are faster |")
    print("|---|---|---|---|---|")
    for name, done in runs.items():
        seconds = [run["seconds"] for run in done]
        middle = statistics.median(seconds)
        peak = max(run["peak"] for run in done) / 1e6
        print(
            f"| {name} | {middle:.1f} ({min(seconds):.1f} to {max(seconds):.1f})"
            f" | {tokens_wanted(given) / middle:,.0f} | {peak:,.0f} MB"
            f" | {f'{middle / mine:.2f} times' if name != 'autodidact' else ''} |",
            flush=True,
        )


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("--model", required=True, help="the Q4_1 file of SmolLM2-135M-Instruct")
    options.add_argument("--llama", required=True, help="directory of llama.cpp's programs")
    options.add_argument("--work", help="keep files here (absent: a temporary directory)")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--questions", type=int, default=64)
    options.add_argument("--samples", type=int, default=4)
    options.add_argument("--new", type=int, default=96)
    options.add_argument("--batch", type=int, default=64, help="our sequences at once in a thread")
    options.add_argument("--sweep", action="store_true", help="all configurations of the peer")
    options.add_argument("--only", default="", help="peers whose name holds one of these")
    options.add_argument("--no-decoding", action="store_true", help="leave decoding alone out")
    given = options.parse_args()
    chosen = SWEEP if given.sweep else PEERS
    entries = [e for e in chosen if any(part in e[0] for part in given.only.split(","))]
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(given.work or temporary)
        work.mkdir(parents=True, exist_ok=True)
        prompts = work / "sampling_prompts.json"
        subprocess.run([OURS, "prompts", given.model, prompts], check=True)
        print(machine())
        print(
            f"{given.questions} questions x {given.samples} samples x {given.new} tokens, "
            f"{given.threads} threads, {given.rounds} rounds\n"
        )
        table(given, measure(given, prompts, work, entries))
        if not given.no_decoding:
            _, kind, slots, settings, _ = BEST
            best = quantized(given.llama, given.model, kind, work)
            mine = our_decoding(given, prompts)
            theirs = decoding(given, best, slots, settings["cache"], settings["flash"])
            print(f"\nDecoding alone at 64 sequences: {mine:,.0f} tokens/s with sampling;")
            print(f"llama-batched-bench {theirs:,.0f} without, {mine / theirs:.2f} times.")


if __name__ == "__main__":
    main()

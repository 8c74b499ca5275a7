"""LoRA training: the embedded engine and PyTorch + transformers + PEFT on the same batches, in one run.

    cargo build --release -p autodidact-engine --example workload_training
    python3 benches/training_vs_peft.py --model SmolLM2-135M-Instruct.Q4_1.gguf [--python PATH | --venvs DIR]
        [--work DIR] [--workloads fixed,ragged] [--rounds 3] [--steps 4] [--threads 2] [--output FILE]

Rank 16, alpha 32, on all seven linear layers, f32, AdamW, gradients clipped at norm 1. `fixed` is one batch of
8 sequences of 160 tokens of which 64 are completion. `ragged` is kept rationales of the
quickstart (`benches/data/kept_rationales.jsonl`, four of each problem, 16 sequences a step), of
different lengths. Weights are those of the GGUF file, as F32 for the peer; both sides start from the
same adapter and see the same token ids.

The peer by default does what `Trainer` does: pads to the longest, computes logits of all
positions. Tuned, it computes the head for completion tokens only, which needs a loop of one's own. Its packages
are installed at the versions below (several GB with torch) unless `--python` has them.

A round is one process of each, in turn; for every batch the first step is not counted, because
buffers are made in it. Tokens a second are tokens of the sequences, without padding, over the median
step. The run fails if the losses of the sides differ by more than 1e-3. Every call with the same
`--output` adds its rounds to the file, and the table is over all of them.

`--from-run RUN` writes the rationales anew, from the journal `RUN/run.db` of a quickstart that has ended: those it
kept, and those it left out only because it keeps two of a problem, of different equations; hinted ones too, since they are trained
on with the plain prompt. It says how many batches of 16 they make.
"""

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import ROOT, TARGET, machine
from results import Results, environment

OURS = TARGET / "examples" / "workload_training"
PEER = ROOT / "benches" / "peers" / "peft_training.py"
RATIONALES = ROOT / "benches" / "data" / "kept_rationales.jsonl"
PACKAGES = ["torch==2.15.0", "transformers==5.24.0", "peft==0.21.2", "accelerate==1.15.0", "gguf==0.19.0"]
NAMES = ["autodidact", "PEFT, default", "PEFT, tuned"]


def rationales_of(run, each=4):
    """Rationales a run kept, or left out only for its cap or because another one has the same equations, of
    problems that have at least `each` of them."""
    store = sqlite3.connect(f"file:{Path(run) / 'run.db'}?mode=ro", uri=True)
    rows = store.execute(
        """SELECT DISTINCT problem, json_extract(body, '$.question'), trim(text) FROM sample
           JOIN selection ON selection.sample = sample.id JOIN problem ON problem.id = sample.problem
           WHERE refused IS NULL OR refused IN ('over-cap', 'duplicate-reasoning') ORDER BY problem, sample.id"""
    )
    found = {}
    for problem, question, text in rows:
        found.setdefault((problem, question), []).append(text)
    enough = sum(len(texts) >= each for texts in found.values())
    if enough < 16:
        raise SystemExit(f"only {enough} problems have {each} kept rationales, and 16 are needed; has the run ended?")
    RATIONALES.parent.mkdir(exist_ok=True)
    print(f"{enough} problems with {each} rationales each: {enough // 4} batches of 16")
    with open(RATIONALES, "w") as out:
        for (problem, question), texts in found.items():
            for text in texts[:each] if len(texts) >= each else []:
                line = {"problem": problem, "prompt": f"Q: {question}\nA:", "completion": f" {text}"}
                out.write(json.dumps(line) + "\n")


def run_json(command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[0]}: {done.stderr[-600:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def summary(report, threads):
    """Useful tokens a second, processor use and losses of one round; first steps are left out."""
    middle = [statistics.median(batch["seconds"][1:]) for batch in report["batches"]]
    seconds = sum(sum(batch["seconds"][1:]) for batch in report["batches"])
    cpu = sum(sum(batch["cpu"][1:]) for batch in report["batches"])
    return {
        "tokens_per_second": sum(batch["tokens"] for batch in report["batches"]) / sum(middle),
        "processor_use": cpu / seconds / threads,
        "peak_bytes": report["peak_bytes"],
        "losses": [batch["losses"] for batch in report["batches"]],
    }


def check_losses(runs):
    """Both sides must do the same; the largest difference of any step's loss."""
    first = next(iter(runs.values()))["losses"]
    pairs = [
        (a, b)
        for other in runs.values()
        for ours, theirs in zip(first, other["losses"])
        for a, b in zip(ours, theirs)
    ]
    worst = max(abs(a - b) for a, b in pairs)
    if worst > 1e-3:
        raise SystemExit(f"losses differ by {worst}: {json.dumps({n: r['losses'] for n, r in runs.items()})}")
    return worst


def one_round(given, python, work, workload):
    batches = work / f"training_{workload}.json"
    settings = ["--steps", given.steps, "--threads", given.threads]
    runs = {}
    for name in NAMES:
        if not any(part in name for part in given.only.split(",")):
            continue
        print(f"{workload}: {name}", file=sys.stderr)
        if name == "autodidact":
            report = run_json([OURS, "run", given.model, batches, "--batches", given.batches, *settings])
        else:
            mode = name.split()[-1]
            report = run_json([python, PEER, "run", work / "peer", work / "adapter", batches, mode,
                               given.steps, given.threads, given.batches])  # fmt: skip
        runs[name] = summary(report, given.threads)
        print(f"  {runs[name]['tokens_per_second']:.0f} tokens/s", file=sys.stderr)
    print(f"  losses agree within {check_losses(runs):.1e}", file=sys.stderr)
    return runs


def prepare(given, python, work):
    if not RATIONALES.exists():
        raise SystemExit(f"{RATIONALES} is missing: `--from-run RUN` makes it")
    subprocess.run([OURS, "fixed", given.model, RATIONALES, work / "training_fixed.json"], check=True)
    subprocess.run([OURS, "ragged", given.model, RATIONALES, work / "training_ragged.json"], check=True)
    subprocess.run([OURS, "adapter", given.model, work / "adapter"], check=True)
    if not (work / "peer" / "config.json").exists():
        print("weights for the peer", file=sys.stderr)
        subprocess.run([python, PEER, "prepare", given.model, work / "peer"], check=True)


def table(results, workload):
    median = results.median
    mine = median(workload, "autodidact", "tokens_per_second")
    memory = median(workload, "autodidact", "peak_bytes")
    print(f"\n| {workload} | tokens/s (least to most) | processor used | peak memory | we are faster | memory |")
    print("|---|---|---|---|---|---|")
    for name in NAMES:
        rates = [run["tokens_per_second"] for run in results.runs(workload, name)]
        if not rates:
            continue
        rate, peak = statistics.median(rates), median(workload, name, "peak_bytes")
        ratio = f"{mine / rate:.2f} times | {memory / peak:.2f} of it" if mine and name != NAMES[0] else " | "
        print(f"| {name} | {rate:.0f} ({min(rates):.0f} to {max(rates):.0f}) "
              f"| {median(workload, name, 'processor_use'):.0%} | {peak / 1e6:,.0f} MB | {ratio} |")


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("--model", help="a GGUF file that transformers can read too")
    options.add_argument("--python", help="a Python that has the peer's packages")
    options.add_argument("--venvs", help="make the peer's environment here (absent: in --work)")
    options.add_argument("--work", help="keep files here (absent: a temporary directory)")
    options.add_argument("--workloads", default="fixed,ragged")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--steps", type=int, default=4, help="for each batch, the uncounted first included")
    options.add_argument("--batches", type=int, default=4, help="of `ragged`")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--only", default="", help="entrants whose name holds one of these")
    options.add_argument("--output", help="add the rounds to this JSON file")
    options.add_argument("--prepare-only", action="store_true", help="make what is needed, measure nothing")
    options.add_argument("--from-run", help="write the rationales anew from this run, and stop")
    given = options.parse_args()
    if given.from_run:
        return rationales_of(given.from_run)
    if not given.model:
        options.error("--model is needed")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(given.work or temporary)
        work.mkdir(parents=True, exist_ok=True)
        given.venvs = given.venvs or work
        python = environment(given, PACKAGES)
        prepare(given, python, work)
        if given.prepare_only:
            return None
        settings = {"steps": given.steps, "batches": given.batches, "threads": given.threads}
        results = Results(given.output, settings)
        results.said["machine"] = machine()
        print(results.said["machine"])
        for _ in range(given.rounds):
            for workload in given.workloads.split(","):
                for name, run in one_round(given, python, work, workload).items():
                    results.add(workload, name, run)
        for workload in given.workloads.split(","):
            table(results, workload)
    return None


if __name__ == "__main__":
    main()

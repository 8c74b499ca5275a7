"""Completed samples per processor second: `autodidact sample` and the Python peers, in one run.

    cargo build --release -p autodidact -p autodidact-testkit
    python benches/sampling_throughput.py [--venvs DIR] [--samples 2000] [--runs 3] [--only NAME,...]

Everybody asks the same mock on this machine, which answers at once with the same short text, the
same questions, 64 at a time. `autodidact sample` is counted from the start of its process to the
end, with its journal (SQLite, every answer on the disk before it is used) and the data set it
writes; a peer only from the moment its imports are done and its pipeline is built. The mock's own
time is nobody's. Rounds interleave; the table shows medians.

Peers are installed from PyPI, each in a virtual environment below `--venvs` (absent: a temporary
directory that is removed again; several hundred MB). One that cannot be installed or does not
answer everything is in the table with the reason.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import Measured, lines, machine, mock, sample_command, write_ensemble, write_problems

PEERS = Path(__file__).resolve().parent / "peers"
# Name in the table, packages, distribution whose version is shown, script, its further arguments.
PYTHON = [
    ("openai, asyncio loop", ["openai"], "openai", "openai_client.py", []),
    ("openai on aiohttp", ["openai[aiohttp]"], "openai", "openai_client.py", ["aiohttp"]),
    ("distilabel", ["distilabel[openai]"], "distilabel", "distilabel_pipeline.py", []),
    ("curator", ["bespokelabs-curator"], "bespokelabs-curator", "curator_llm.py", []),
    ("CAMEL SelfImprovingCoT", ["camel-ai", "mcp<2", "rouge", "litellm"], "camel-ai", "camel_cot.py", []),
    ("CAMEL ChatAgent loop", ["camel-ai", "mcp<2", "rouge", "litellm"], "camel-ai", "camel_agents.py", []),
]
LONGEST = 900


def environment(venvs, packages):
    """A virtual environment with these packages, made on first use; its Python."""
    name = "".join(c if c.isalnum() else "-" for c in packages[0])
    home = Path(venvs) / name
    python = home / "bin" / "python"
    if not (home / "installed").exists():
        print(f"installing {' '.join(packages)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"pip: {last_line(done.stderr)}")
        (home / "installed").touch()
    return str(python)


def version(python, distribution):
    code = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def last_line(text):
    found = [line.strip() for line in text.splitlines() if line.strip()]
    return found[-1][:160] if found else "no message"


def ours(here, samples):
    """One run of `autodidact sample` with a fresh journal: requests a second, and its processor."""
    shutil.rmtree(here / "runs", ignore_errors=True)
    done = Measured(sample_command(here), stdout=subprocess.DEVNULL).wait()
    answers = lines(here / "answers.jsonl")
    if done.status or answers != samples:
        raise SystemExit(f"autodidact sample: status {done.status}, {answers} of {samples} answers")
    return {"seconds": done.seconds, "cpu": done.cpu}


def peer(python, script, url, here, concurrency, more, samples):
    """One run of a peer, which measures itself (`peers/measure.py`)."""
    command = [python, str(PEERS / script), url, str(here / "problems.jsonl"), str(concurrency)]
    settings = {"HOME": str(here), "TMPDIR": str(here), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        command + more,
        cwd=here,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    if done.returncode:
        raise RuntimeError(last_line(done.stderr))
    said = json.loads(last_line(done.stdout))
    if said["answers"] != samples:
        raise RuntimeError(f"{said['answers']} of {samples} answers came back")
    return said


def report(name, runs, samples, mine=None):
    """A row of the table; samples per processor second. `mine` is what we did of them."""
    cpu = statistics.median(run["cpu"] for run in runs)
    seconds = statistics.median(run["seconds"] for run in runs)
    least, most = (f(run["cpu"] for run in runs) / samples * 1e6 for f in (min, max))
    print(
        f"| {name} | {samples / seconds:,.0f} | {cpu / samples * 1e6:,.0f} ({least:,.0f} to {most:,.0f})"
        f" | {samples / cpu:,.0f} | {f'{mine * cpu / samples:.1f}' if mine else ''} |"
    )
    return samples / cpu


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("--venvs", help="keep the peers' environments here")
    options.add_argument("--samples", type=int, default=2000)
    options.add_argument("--concurrency", type=int, default=64)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--only", default="", help="peers whose name holds one of these")
    given = options.parse_args()
    print(machine())
    print(f"{given.samples} samples, {given.concurrency} at once, {given.runs} rounds\n")
    with tempfile.TemporaryDirectory() as temporary, mock("mock-bench") as (url, _):
        compare(given, Path(temporary), url)


def compare(given, here, url):
    write_problems(here / "problems.jsonl", given.samples)
    write_ensemble(here / "ensemble.toml", url, given.concurrency)
    ready, failed = [], []
    for name, packages, distribution, script, more in PYTHON:
        if not any(part in name for part in given.only.split(",")):
            continue
        try:
            python = environment(given.venvs or here / "venvs", packages)
            label = f"{name} ({version(python, distribution)})"
            ready.append((label, python, script, more, []))
        except (RuntimeError, subprocess.CalledProcessError) as error:
            failed.append((name, str(error)))
    own = []
    for turn in range(given.runs):
        own.append(ours(here, given.samples))
        for entry in list(ready):
            label, python, script, more, runs = entry
            print(f"round {turn + 1}: {label}", file=sys.stderr)
            try:
                runs.append(
                    peer(python, script, url, here, given.concurrency, more, given.samples)
                )
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                failed.append((label, str(error)))
                ready.remove(entry)
    print("| client | requests/s | µs of processor a sample (least to most) | samples a processor second | we do times as many |")
    print("|---|---|---|---|---|")
    mine = report("`autodidact sample`, journal included", own, given.samples)
    peers = [report(label, runs, given.samples, mine) for label, _, _, _, runs in ready]
    for name, reason in failed:
        print(f"| {name} | not measured: {reason} | | | |")
    if peers:
        print(f"\n{mine / max(peers):.1f} times the best peer in samples a processor second")


if __name__ == "__main__":
    main()

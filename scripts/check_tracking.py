#!/usr/bin/env python3
"""Do TensorBoard and MLflow read what a run tells them?

    cargo build --release
    python scripts/check_tracking.py [--autodidact target/release/autodidact] [--venv DIR]

Starts a real `mlflow server`, makes a small run with the tiny model of the engine's tests that tracks
to everything, kills it in the middle and lets it go on, and then, in a virtual environment of its own:

* TensorBoard's own reader finds the same series in the event files as the CSV file has;
* the MLflow client finds them at the server, the parameters, and that the run is finished;
* no series has a step twice, and the losses are those of an undisturbed run.

A second run names a server that is not there: it must end all the same, with one warning. Ends with 1
if anything is wrong.
"""

import argparse
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from pathlib import Path

from check_exports import EXAMPLES, FAILURES, ROOT, SPEC, TINY, check

PACKAGES = ["tensorboard", "mlflow"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def write_inputs(directory, name, track):
    lines = []
    for i in range(40):
        gold = [".*", ".*e.*", ".*q.*"][i % 3]
        lines.append(json.dumps({"question": f"{i} + {i}?", "answer": gold}))
    (directory / "train.jsonl").write_text("\n".join(lines[:30]) + "\n", encoding="utf-8")
    (directory / "evaluate.jsonl").write_text("\n".join(lines[30:]) + "\n", encoding="utf-8")
    (directory / "examples.toml").write_text(EXAMPLES, encoding="utf-8")
    spec = SPEC.replace("NAME", name).replace("MODEL", str(TINY)).replace("PROMPT", "")
    spec = spec.replace("first = 4", "first = 150").replace("iterations = 2", 'iterations = 2\ncontrols = ["no-rationalization"]')
    (directory / f"{name}.toml").write_text(spec + track, encoding="utf-8")


def wait_for(what, holds, seconds=180):
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > seconds:
            sys.exit(f"never: {what}")
        time.sleep(0.02)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def losses_in(path):
    return sum(",train/loss," in line for line in path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


def outside(args):
    binary = args.autodidact.resolve()
    if not binary.exists():
        sys.exit(f"there is no {binary}; build it, or give --autodidact")
    with tempfile.TemporaryDirectory() as temporary:
        temporary = Path(temporary)
        environment = args.venv or temporary / "venv"
        python = environment / "bin/python"
        if not python.exists():
            print("making a virtual environment", flush=True)
            venv.create(environment, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        server = subprocess.Popen(
            [str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
             "--backend-store-uri", f"sqlite:///{temporary}/mlflow.db"],
            cwd=temporary, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )
        try:
            wait_for("the MLflow server answers", lambda: answers(f"{url}/health"))
            runs(temporary, binary, url)
            inside_command = [str(python), __file__, "--inside", str(temporary), "--url", url]
            return subprocess.run(inside_command).returncode
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()


def runs(work, binary, url):
    everything = f'\n[track]\nto = ["tensorboard", "mlflow", "csv", "jsonl"]\nmlflow_url = "{url}"\n'
    write_inputs(work, "tracked", everything)
    log = (work / "log").open("w", encoding="utf-8")
    table = work / "runs/tracked/tracking/metrics.csv"
    for losses in (20, 170):
        started = subprocess.Popen([str(binary), "run", "tracked.toml"], cwd=work, stdout=log, stderr=log)
        wait_for(f"{losses} steps", lambda: losses_in(table) >= losses or started.poll() is not None)
        started.kill()
        started.wait()
    subprocess.run([str(binary), "run", "tracked.toml"], cwd=work, stdout=log, stderr=log, check=True)
    # The same again changes nothing.
    subprocess.run([str(binary), "run", "tracked.toml"], cwd=work, stdout=log, stderr=log, check=True)
    write_inputs(work, "alone", f'\n[track]\nto = ["mlflow", "csv"]\nmlflow_url = "http://127.0.0.1:{free_port()}"\n')
    done = subprocess.run([str(binary), "run", "alone.toml"], cwd=work, capture_output=True, text=True)
    (work / "alone.json").write_text(json.dumps({"code": done.returncode, "err": done.stderr}), encoding="utf-8")


def table_of(path):
    series = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            series.setdefault(row["series"], []).append((int(row["step"]), float(row["value"])))
    return series


def inside(work, url):
    from mlflow import MlflowClient
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tracked = table_of(work / "runs/tracked/tracking/metrics.csv")
    undisturbed = table_of(work / "runs/alone/tracking/metrics.csv")
    check("the table has series", len(tracked) > 20, f"{len(tracked)} series, {sum(map(len, tracked.values()))} points")
    twice = [name for name, points in tracked.items() if len({step for step, _ in points}) != len(points)]
    check("no step is there twice", not twice, str(twice))
    same = sorted(tracked["train/loss"]) == sorted(undisturbed["train/loss"])
    check("the losses are those of an undisturbed run", same, f"{len(tracked['train/loss'])} steps")

    lines = (work / "runs/tracked/tracking/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    pairs = sorted((row["series"], row["step"]) for row in rows)
    check("JSON lines have the same", pairs == sorted((n, s) for n, p in tracked.items() for s, _ in p))

    board = EventAccumulator(str(work / "runs/tracked/tracking/tensorboard"), size_guidance={"scalars": 0})
    board.Reload()
    found = {tag: [(e.step, e.value) for e in board.Scalars(tag)] for tag in board.Tags()["scalars"]}
    files = len(list((work / "runs/tracked/tracking/tensorboard").iterdir()))
    compare("TensorBoard", found, tracked, f"{files} event files")

    client = MlflowClient(url)
    experiment = client.get_experiment_by_name("autodidact")
    remote = [r for r in client.search_runs([experiment.experiment_id]) if r.info.run_name == "tracked"]
    check("MLflow has one run", len(remote) == 1)
    run = remote[0]
    check("MLflow says it is finished", run.info.status == "FINISHED", run.info.status)
    check("MLflow has the parameters", run.data.params.get("seed") == "1", str(run.data.params)[:200])
    metrics = {key: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, key)] for key in run.data.metrics}
    compare("MLflow", metrics, tracked, f"{len(run.data.metrics)} metrics")

    alone = json.loads((work / "alone.json").read_text(encoding="utf-8"))
    warned = alone["err"].count("tracking by `mlflow` stops")
    check("without a server the run ends all the same, with one warning", alone["code"] == 0 and warned == 1, alone["err"][-300:] if warned != 1 else "")
    print(f"{len(FAILURES)} failed" if FAILURES else "all passed")
    return 1 if FAILURES else 0


def compare(program, found, expected, detail):
    """Loss, accuracy and counts must be the same; speeds are measured once and may be missed by a kill."""
    differing = []
    for name, points in expected.items():
        ours, theirs = sorted(points), sorted(found.get(name, []))
        steps = len({step for step, _ in theirs}) == len(theirs)
        close = len(ours) == len(theirs) and all(
            a[0] == b[0] and abs(a[1] - b[1]) <= 1e-6 * max(1.0, abs(a[1])) for a, b in zip(ours, theirs)
        )
        if not steps or (not close and "tokens_per_second" not in name and "gradient" not in name and "rate" not in name):
            differing.append((name, len(ours), len(theirs)))
    check(f"{program} has the same series and values", not differing, f"{detail} {differing[:5]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--autodidact", type=Path, default=ROOT / "target/release/autodidact")
    parser.add_argument("--venv", type=Path, help="a virtual environment to make, or to use again")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    args = parser.parse_args()
    return inside(args.inside, args.url) if args.inside else outside(args)


if __name__ == "__main__":
    sys.exit(main())

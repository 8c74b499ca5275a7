"""The time of README's first command, from nothing to the verdict, for one binary or several.

    cargo build --release -p autodidact
    python3 benches/quickstart.py [--binary PATH] [--work DIR] [--at-most SECONDS] [--output FILE]

Runs `autodidact run examples/quickstart.toml --offline --seed 2` in `--work` (absent: a temporary directory),
which must not hold the run yet, with the model already in the cache (`autodidact pull`, or the
command itself once, fetches it). `--binary` names another build, to compare two versions.

`--at-most` presses Ctrl-C after so many seconds, for machines that are quiet only for a while; the
same call with the same `--work` goes on, and the seconds of all calls add up (so what a resumed run
repeats, up to a few training steps, counts too, and so does loading).
"""

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import PROGRAM, ROOT, machine


def attempt(given, work):
    """One process: seconds, seconds of processor, peak bytes, and whether the run ended."""
    spec = Path(given.spec).resolve()
    command = [Path(given.binary).resolve(), "run", spec, "--runs", work / "runs", "--seed", given.seed]
    if not given.online:
        command.append("--offline")
    begun = time.monotonic()
    with open(work / "printed.txt", "ab") as printed:
        child = subprocess.Popen(list(map(str, command)), cwd=work, stdout=printed, stderr=printed)
        # Not `poll`, which would take the resources used away with the child.
        while time.monotonic() - begun < (given.at_most or float("inf")):
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(0.05)
        else:
            child.send_signal(signal.SIGINT)
            _, status, usage = os.wait4(child.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    child.returncode = code
    return {
        "seconds": time.monotonic() - begun,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
        "ended": code == 0,
    }


def stages(journal):
    """Seconds of each stage, as the run itself counts them."""
    with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as store:
        rows = store.execute("SELECT iteration, stage, seconds FROM stage_time ORDER BY rowid")
        return [{"iteration": i, "stage": s, "seconds": round(t, 1)} for i, s, t in rows]


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("--binary", default=PROGRAM)
    options.add_argument("--spec", default=ROOT / "examples" / "quickstart.toml")
    options.add_argument("--seed", type=int, default=2, help="2 is what README shows")
    options.add_argument("--work", help="the run's place; keep it to go on with --at-most")
    options.add_argument("--at-most", type=float, help="press Ctrl-C after so many seconds")
    options.add_argument("--online", action="store_true", help="may fetch the model")
    options.add_argument("--output", help="write the figures here as JSON")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(given.work or temporary).resolve()
        work.mkdir(parents=True, exist_ok=True)
        kept = work / "attempts.json"
        attempts = json.loads(kept.read_text()) if kept.exists() else []
        if attempts and attempts[-1]["ended"]:
            raise SystemExit(f"{work} holds a run that has ended; give another --work")
        attempts.append(attempt(given, work))
        kept.write_text(json.dumps(attempts))
        report(given, work, attempts)


def report(given, work, attempts):
    total = {key: sum(a[key] for a in attempts) for key in ("seconds", "cpu")}
    said = {
        "machine": machine(),
        "binary": str(given.binary),
        "seed": given.seed,
        **total,
        "peak_bytes": max(a["peak_bytes"] for a in attempts),
        "attempts": len(attempts),
        "ended": attempts[-1]["ended"],
        "stages": [row for journal in work.glob("runs/*/run.db") for row in stages(journal)],
    }
    for row in said["stages"]:
        print(f"{row['iteration']:>3}  {row['stage']:<24}{row['seconds']:8.1f} s")
    ended = "ended" if said["ended"] else "goes on with the same call"
    print(f"{total['seconds']:.1f} s on the clock, {total['cpu']:.1f} s of processor, "
          f"{said['peak_bytes'] / 1e6:,.0f} MB, {len(attempts)} attempts; {ended}")
    if given.output:
        Path(given.output).write_text(json.dumps(said, indent=1) + "\n")
    printed = (work / "printed.txt").read_text(errors="replace")
    if not said["ended"] and not given.at_most:
        sys.exit(f"the run failed:\n{printed[-600:]}")


if __name__ == "__main__":
    main()

"""Pages and report of a run with a million samples: server time of the first paint, and memory.

    python benches/dashboard.py [--samples 1000000] [--profile release] [--runs DIR]

Makes the journal through the store (some minutes), asks for every page over a socket, and renders the
report. A page's first time is that of a dashboard that was just started; the median is of seven. Ends
with 1 if the first paint of the run takes 200 ms or more, or the report 10 s or 500 MB.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

from common import ROOT, machine


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--profile", default="release", choices=["release", "dev"])
    parser.add_argument("--runs", type=Path, help="keep the run here, and use one that is there")
    options = parser.parse_args()
    build = ["cargo", "build", "-p", "autodidact-dashboard", "--example", "large_run"]
    subprocess.run(build + ["--profile", options.profile], cwd=ROOT, check=True)
    directory = "release" if options.profile == "release" else "debug"
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    program = target / directory / "examples/large_run"
    print(machine())
    with tempfile.TemporaryDirectory() as temporary:
        runs = options.runs or Path(temporary)
        measure(program, runs, options.samples)


def measure(program, runs, samples):
    def ask(*arguments):
        done = subprocess.run([program, *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    if not (runs / "large").exists():
        runs.mkdir(parents=True, exist_ok=True)
        (written,) = ask("write", runs, samples)
        rate = written["samples"] / written["seconds"]
        print(f"{written['samples']} samples written in {written['seconds']} s, {rate:.0f} a second")
    size = sum(file.stat().st_size for file in (runs / "large").iterdir()) / 1e6
    print(f"the journal has {size:.0f} MB\n")
    print("| page | first, ms | median, ms | kB |\n|---|---:|---:|---:|")
    pages = ask("pages", runs)
    for page in pages:
        print(f"| `{page['page']}` | {page['first_ms']} | {page['median_ms']} | {page['bytes'] / 1e3:.0f} |")
    (report,) = ask("report", runs)
    print(f"\nreport: {report['report_seconds']} s, {report['peak_mb']} MB, {report['bytes'] / 1e3:.0f} kB")
    slow = pages[0]["first_ms"] >= 200
    heavy = report["report_seconds"] >= 10 or report["peak_mb"] >= 500
    if slow or heavy:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

"""Two thousand requests in flight on one core, without an error.

    cargo build --release -p autodidact
    python benches/in_flight.py [--in-flight 2000] [--waves 5]

`autodidact sample` runs on core 0 (`taskset`), against a mock on the last core that answers each
request after a second (`slow_mock.py`). Ends with 1 if an answer is missing, a request had to be
repeated, or fewer requests than wanted were open at once. Raises the limit of open files itself.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from common import Measured, lines, machine, sample_command, server, write_ensemble, write_problems


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("--in-flight", type=int, default=2000)
    options.add_argument("--waves", type=int, default=5)
    options.add_argument("--seconds", type=float, default=1.0, help="how long an answer takes")
    given = options.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    problems = given.in_flight * given.waves
    slow = [sys.executable, str(Path(__file__).with_name("slow_mock.py")), str(given.seconds)]
    print(machine())
    with tempfile.TemporaryDirectory() as temporary:
        here = Path(temporary)
        write_problems(here / "problems.jsonl", problems)
        with server(["taskset", "-c", str(os.cpu_count() - 1), *slow]) as (url, _):
            write_ensemble(here / "ensemble.toml", url, given.in_flight)
            command = ["taskset", "-c", "0", *sample_command(here)]
            done = Measured(command, stdout=subprocess.DEVNULL).wait()
            with urllib.request.urlopen(f"{url}/peak") as reply:
                saw = json.load(reply)
        answers = lines(here / "answers.jsonl") if done.status == 0 else 0
    print(f"status {done.status}, {answers:,} of {problems:,} answers in {done.seconds:.1f} s")
    print(f"the mock saw {saw['requests']:,} requests, {saw['peak']:,} open at once at most")
    print(f"{done.cpu / problems * 1e6:,.0f} µs of processor each, peak memory {done.peak_mb:,.0f} MB")
    if done.status or answers != problems or saw != {"requests": problems, "peak": given.in_flight}:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

"""Does memory stay flat? `autodidact sample` over a million problems against the local mock.

    cargo build --release -p autodidact -p autodidact-testkit
    python benches/flat_memory.py [--problems 1000000] [--directory DIR]

Prints seconds, requests a second, processor time, peak memory (`ru_maxrss` of the child) and the
size of the journal, and ends with 1 if memory was 400 MB or more, or an answer is missing.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

from common import Measured, lines, machine, mock, sample_command, size_mb, write_ensemble, write_problems

MOST_MB = 400


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("--problems", type=int, default=1_000_000)
    options.add_argument("--concurrency", type=int, default=64)
    options.add_argument("--directory", help="for the problems and the journal; about 1 GB")
    given = options.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(dir=given.directory) as temporary:
        here = Path(temporary)
        write_problems(here / "problems.jsonl", given.problems)
        with mock("mock-bench") as (url, _):
            write_ensemble(here / "ensemble.toml", url, given.concurrency)
            done = Measured(sample_command(here), stdout=subprocess.DEVNULL).wait()
        answers = lines(here / "answers.jsonl") if done.status == 0 else 0
        journal = size_mb(here / "runs" / "bench" / "run.db")
    print(f"{answers:,} of {given.problems:,} answers in {done.seconds:,.0f} s")
    print(f"{answers / done.seconds:,.0f} a second, {done.cpu / given.problems * 1e6:,.0f} µs of processor each")
    print(f"peak memory {done.peak_mb:,.0f} MB, journal {journal:,.0f} MB")
    if done.status or answers != given.problems or done.peak_mb >= MOST_MB:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

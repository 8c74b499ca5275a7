"""What a kill costs: `kill -9` half-way, the same command again, and the mock's ledger.

    cargo build --release -p autodidact -p autodidact-testkit
    python benches/resume_cost.py [--problems 200000] [--kills 1] [--latency-ms 0]

The ledger of `autodidact-testkit serve` counts every request. A request is repeated if its answer
was not in the journal when the process died: it was in flight, or its answer was on its way to the
disk. Ends with 1 if more is repeated than could be under way, or if an answer is missing.
"""

import argparse
import json
import sqlite3
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from common import Measured, lines, machine, mock, sample_command, size_mb, write_ensemble, write_problems


def recorded(database):
    """Answers in the journal; 0 while there is none."""
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10) as journal:
            return journal.execute("SELECT coalesce(max(id), 0) FROM sample").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def wait_for(database, answers, child):
    while recorded(database) < answers:
        if child.poll() is not None:
            raise SystemExit("it ended before it could be killed")
        time.sleep(0.01)


def ledger(url):
    """Requests, and how many of them asked for something that was asked for before."""
    with urllib.request.urlopen(f"{url}/testkit/requests") as reply:
        book = json.load(reply)
    return book["requests"], sum(entry["requests"] - 1 for entry in book["entries"])


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("--problems", type=int, default=200_000)
    options.add_argument("--concurrency", type=int, default=64)
    options.add_argument("--kills", type=int, default=1)
    options.add_argument("--latency-ms", type=int, default=0, help="how long an answer takes")
    given = options.parse_args()
    print(machine())
    slow = str(given.latency_ms)
    with (
        tempfile.TemporaryDirectory() as temporary,
        mock("serve", "--latency-ms", slow) as (url, _),
    ):
        here = Path(temporary)
        write_problems(here / "problems.jsonl", given.problems)
        write_ensemble(here / "ensemble.toml", url, given.concurrency)
        run(given, here, url)


def run(given, here, url):
    database = here / "runs" / "bench" / "run.db"
    under_way = 0
    for kill in range(given.kills):
        child = Measured(sample_command(here), stdout=subprocess.DEVNULL)
        wait_for(database, given.problems * (kill + 1) // (given.kills + 1), child.child)
        child.child.kill()
        child.wait()
        sent, repeated = ledger(url)
        there = recorded(database)
        lost = sent - repeated - there
        under_way += lost
        print(f"killed with {there:,} answers in the journal ({size_mb(database):,.0f} MB),", end=" ")
        print(f"{lost} requests without one")
    begun = time.monotonic()
    child = Measured(sample_command(here), stdout=subprocess.DEVNULL)
    wait_for(database, there + 1, child.child)
    going = time.monotonic() - begun
    child.wait()
    sent, repeated = ledger(url)
    answers = lines(here / "answers.jsonl") if child.status == 0 else 0
    print(f"first new answer in the journal {going:.2f} s after the same command started again")
    print(f"{answers:,} of {given.problems:,} answers; {sent:,} requests, {repeated} of them repeated")
    print(f"repeated minus under way at the kills: {repeated - under_way}")
    if child.status or answers != given.problems or repeated > under_way:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

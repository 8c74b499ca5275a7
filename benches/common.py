"""What the benchmarks share: the mock server, problems, an ensemble file, and measured children.

Nothing but Python's own library. The program and the mock come from `target/release`:

    cargo build --release -p autodidact -p autodidact-testkit
"""

import json
import os
import resource
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
PROGRAM = TARGET / "autodidact"
TESTKIT = TARGET / "autodidact-testkit"


def machine():
    """One line about the machine and how busy it is, for the head of a table."""
    model = "unknown processor"
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores of {model}, load average {load:.1f} at the start"


@contextmanager
def server(command):
    """Runs a program that prints `ready URL`; gives its base URL and its process."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if line.startswith("ready "):
                break
        else:
            raise SystemExit(f"{command[0]} did not start")
        yield line.split()[1], process
    finally:
        process.terminate()
        process.wait()


def mock(*arguments):
    """`autodidact-testkit ARGUMENTS` on a free port."""
    return server([str(TESTKIT), *arguments, "--port", "0"])


def write_problems(path, count):
    """`count` different sums as JSON lines: an id, a question, and the gold answer."""
    with open(path, "w") as file:
        for number in range(count):
            a, b = number // 1000 + 10, number % 1000 + 10
            problem = {"id": f"p{number}", "question": f"What is {a} + {b}?", "answer": str(a + b)}
            file.write(json.dumps(problem) + "\n")


def write_ensemble(path, url, concurrency):
    """One model behind the mock, and the vote among its answers, which asks no judge."""
    Path(path).write_text(
        f"""strategy = "vote"
[[models]]
name = "bench"
provider = "openai-compatible"
model = "bench"
base_url = "{url}/v1"
price = {{ input = 0, output = 0 }}
limits = {{ concurrency = {concurrency} }}
"""
    )


def sample_command(directory, *more):
    """`autodidact sample` over `problems.jsonl` in a directory, everything it writes beside it."""
    here = Path(directory)
    return [
        str(PROGRAM),
        "sample",
        str(here / "problems.jsonl"),
        "--config",
        str(here / "ensemble.toml"),
        "--runs",
        str(here / "runs"),
        "--name",
        "bench",
        "--out",
        str(here / "answers.jsonl"),
        *more,
    ]


class Measured:
    """What a child cost: seconds on the clock, seconds of processor, peak memory in MB."""

    def __init__(self, command, **options):
        begun = time.monotonic()
        self.child = subprocess.Popen(command, **options)
        self._begun = begun

    def wait(self):
        _, status, usage = os.wait4(self.child.pid, 0)
        self.seconds = time.monotonic() - self._begun
        self.status = os.waitstatus_to_exitcode(status)
        self.child.returncode = self.status
        # Children of the child count too, once it has waited for them.
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak_mb = usage.ru_maxrss / 1024
        return self


class Watch:
    """Seconds of processor of this script and its children (`cpu`), and the share of the machine that other
    programs took meanwhile (`others`, 0 to 1).

    Sides do not suffer equally from neighbours: figures are worth something on a quiet machine only.
    """

    def __enter__(self):
        self._before = self._now()
        return self

    def __exit__(self, *_):
        wall, busy, own = (b - a for a, b in zip(self._before, self._now()))
        self.cpu, self.others = own, max(0.0, busy - own) / wall

    def _now(self):
        ticks = [int(n) for n in open("/proc/stat").readline().split()[1:9]]
        used = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        per_second = os.sysconf("SC_CLK_TCK")
        total, idle = sum(ticks) / per_second, (ticks[3] + ticks[4]) / per_second
        return total, total - idle, sum(usage.ru_utime + usage.ru_stime for usage in used)


def lines(path):
    """How many lines a file has."""
    with open(path, "rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def size_mb(path):
    """The size of a database with its write-ahead log, in MB."""
    found = (Path(str(path) + end) for end in ("", "-wal"))
    return sum(file.stat().st_size for file in found if file.exists()) / 1e6

"""Rounds of a benchmark in a JSON file, which later calls add to.

Machines are not quiet for long, so a comparison may be made in pieces: every call with the same
`--output` adds its rounds, and medians are taken over all of them.
"""

import json
import statistics
from pathlib import Path


class Results:
    """What each entrant did, by workload and name: a list of one dictionary for each round."""

    def __init__(self, path, settings):
        self.path = Path(path) if path else None
        self.said = {"settings": settings, "workloads": {}}
        if self.path and self.path.exists():
            before = json.loads(self.path.read_text())
            if before["settings"] != settings:
                raise SystemExit(f"{path} holds rounds of other settings; give another --output")
            self.said = before

    def runs(self, workload, name):
        return self.said["workloads"].setdefault(workload, {}).setdefault(name, [])

    def add(self, workload, name, run):
        self.runs(workload, name).append(run)
        self.save()

    def save(self):
        if self.path:
            self.path.write_text(json.dumps(self.said, indent=1) + "\n")

    def median(self, workload, name, key):
        """The median over all rounds; None if there is none."""
        values = [run[key] for run in self.runs(workload, name)]
        return statistics.median(values) if values else None


def environment(given, packages):
    """The Python of a peer: `--python`, or a virtual environment below `--venvs` made on first use."""
    import subprocess
    import sys

    if given.python:
        return str(given.python)
    name = "".join(c if c.isalnum() else "-" for c in "-".join(packages))[:80]
    home = Path(given.venvs) / name
    python = home / "bin" / "python"
    if not (home / "installed").exists():
        print(f"installing {' '.join(packages)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
        subprocess.run(pip, check=True)
        (home / "installed").touch()
    return str(python)

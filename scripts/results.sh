#!/usr/bin/env bash
# The runs behind docs/results.md: the quickstart with three seeds, and without rationalization.
# About 40 minutes on two cores. Usage: scripts/results.sh [DIRECTORY OF RUNS]
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-runs}
cargo build --release
autodidact=target/release/autodidact
for seed in 1 2 3; do
  time "$autodidact" run examples/quickstart.toml --seed "$seed" --name "quickstart-$seed" --runs "$runs"
done
time "$autodidact" run examples/without-rationalization.toml --runs "$runs"
for run in quickstart-1 quickstart-2 quickstart-3 without-rationalization; do
  "$autodidact" status "$run" --runs "$runs"
done

"""Time and memory of the embedded engine by model size, sequences, context and threads, each with its limit.

    cargo build --release -p autodidact
    cargo build --release -p autodidact-engine --example workload_sampling --example workload_training
    pip install matplotlib
    python3 benches/scaling.py --like SmolLM2-135M-Instruct.Q4_1.gguf --output scaling.json \\
        [--work DIR] [--sweeps limits,training,model,sequences,context] [--plot docs/scaling.svg]
    python3 benches/scaling.py --like SmolLM2-135M-Instruct.Q4_1.gguf --output scaling.json \\
        --sweeps model_7b,training_7b --large 7B.gguf
    python3 benches/scaling.py --output scaling.json --plot docs/scaling.svg --plot-only

Models have random weights in llama.cpp's mixture Q4_K_M (`benches/make_large_model.py`). Tokens a second of
sampling are those of decoding alone (a run less one that ends with the first token), at temperature 0.8 over
the whole vocabulary; prompts have a common prefix and questions of 16 tokens, four samples each. Training is steps
of LoRA at rank 16 on 4 sequences of 160 tokens, half of them completion; the first step is not counted.
Memory is the peak of the process (`VmHWM`), pages of the mapped file included.

`model`: 64 sequences, prefix of 64. `sequences`: 135M, prefix of 64, one and two threads. `context`: 60M, 32
sequences, prefix of 64 to 4096. `model_7b` and `training_7b` add the file of `--large` to the first panels;
they take minutes, and the only training step counts. Every call with the same `--output` adds to it, so
`--sweeps` can cut the whole into pieces. The share of the processor that other programs took during a run is
kept: points with a run where that was below 5% are not measured again, and the run with the least counts.

Both multiply in eight bits, as the program does by default. The limits, none of which a program can pass that
multiplies f32 weights; so ours may lie above them:
- products with the weights (in `context` also queries with keys, and scores with values) at the rate of fused
  multiply-adds that `autodidact bench` measures;
- reading every f32 weight once a step of all sequences, at the rate at which as many threads read a large array;
- memory: f32 weights (models above 4 GiB of them: the file) and the keys and values of all positions, those of
  the common prefix once. For training: the file, the adapter, its gradient and both moments.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from common import machine
from large_model import RANK, TRAINING, Shape, decode, fma_rate, make, run_json, write_batch, write_prompts
from make_large_model import SHAPES, Metadata
from results import Results

SIZES = ["15M", "60M", "135M", "360M", "1B"]
SEQUENCES = [1, 2, 4, 8, 16, 32, 64, 128]
CONTEXTS = [64, 256, 1024, 2048, 4096]
BATCH, LENGTH, QUESTION = 4, 160, 16
PACKED_LIMIT = 4 << 30
QUIET = 0.05
SWEPT = ["model", "sequences, threads 1", "sequences, threads 2", "context", "training", "training, threads 1"]
BLUE, RED, GREY = "#1f5fa8", "#c2501f", "#777777"


def read_rate(threads):
    """Bytes a second that so many threads read from arrays much larger than the caches."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import numpy

    arrays = [numpy.ones(96 << 20, numpy.float32) for _ in range(threads)]
    best = 0
    for read in (numpy.max, lambda a: numpy.dot(a, a), lambda a: numpy.bitwise_or.reduce(a.view(numpy.uint64))) * 3:
        workers = [threading.Thread(target=read, args=(array,)) for array in arrays]
        begun = time.monotonic()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = max(best, sum(array.nbytes for array in arrays) / (time.monotonic() - begun))
    return best


def sample(model, sequences, prefix, new, threads, work):
    """One point: the rate of decoding so many sequences, and peak memory."""
    samples = min(4, max(1, sequences // 4))
    path = work / "scaling_prompts.json"
    write_prompts(model, path, prefix, max(1, sequences // samples), QUESTION)
    said = decode(model, path, samples, new, threads, sequences)
    requests = sequences // samples
    return {
        "tokens_per_second": said["decoding"],
        "peak": said["peak"],
        "others": said["others"],
        "positions": prefix + requests * QUESTION + sequences * (new - 1),
        "context": prefix + QUESTION + new / 2,
        "file": Path(model).stat().st_size,
    }


def new_tokens(weights, sequences):
    """As many new tokens as take a few seconds."""
    return min(64, max(8, int(3e11 / (weights * sequences))))


def train(model, threads, steps, work):
    path = work / "scaling_batch.json"
    write_batch(path, BATCH, LENGTH)
    command = [TRAINING, "run", model, path, "--steps", steps, "--threads", threads, "--rank", RANK]
    said = run_json([*command, "--arithmetic", "eight-bit"])
    seconds = said["batches"][0]["seconds"]
    rate = BATCH * LENGTH / statistics.median(seconds[1:] or seconds)
    kept = {key: said[key] for key in ("peak", "others")}
    return {"tokens_per_second": rate, **kept, "file": Path(model).stat().st_size}


class Sweeps:
    """All measurements; each adds one run to the results."""

    def __init__(self, given, results, work):
        self.given, self.results, self.work = given, results, work
        self.like = Metadata(given.like)
        results.said["vocabulary"] = self.like.vocabulary()

    def file(self, name):
        return make(self.like, name, self.work, 8192)

    def shape(self, name):
        return Shape(name, self.like.vocabulary())

    def add(self, workload, name, measure, *arguments):
        """One more run of a point, unless there is a quiet one."""
        before = self.results.runs(workload, str(name))
        if any(run["others"] < QUIET for run in before):
            return
        run = measure(*arguments, self.work)
        print(f"{workload}, {name}: {run['tokens_per_second']:,.1f} tokens/s, {run['peak'] / 1e6:,.0f} MB, "
              f"other programs {run['others']:.0%}", file=sys.stderr)  # fmt: skip
        self.results.add(workload, str(name), run)

    def limits(self):
        for threads in (1, 2):
            run = {"operations": fma_rate(self.file("15M"), threads), "bytes": read_rate(threads)}
            print(f"{threads} threads: {run['operations'] / 1e9:.0f} GFLOP/s, {run['bytes'] / 1e9:.1f} GB/s read",
                  file=sys.stderr)  # fmt: skip
            self.results.add("limits", str(threads), run)

    def model(self):
        for name in SIZES:
            new = new_tokens(self.shape(name).weights, 64)
            self.add("model", name, sample, self.file(name), 64, 64, new, 2)

    def model_7b(self):
        self.add("model", "7B", sample, Path(self.given.large), 64, 64, 4, 2)

    def sequences(self):
        file, weights = self.file("135M"), self.shape("135M").weights
        for count in SEQUENCES:
            for threads in (1, 2) if count > 1 else (1,):
                new = new_tokens(weights, count)
                self.add(f"sequences, threads {threads}", count, sample, file, count, 64, new, threads)

    def context(self):
        for prefix in CONTEXTS:
            self.add("context", prefix, sample, self.file("60M"), 32, prefix, 32, 2)

    def training(self):
        for name in SIZES:
            self.add("training", name, train, self.file(name), 2, 2 if name == "1B" else 3)
        self.add("training, threads 1", "135M", train, self.file("135M"), 1, 3)

    def training_7b(self):
        self.add("training", "7B", train, Path(self.given.large), 2, 1)


class Limits:
    """What no program can pass, for each measurement."""

    def __init__(self, results):
        self.results, self.vocabulary = results, results.said["vocabulary"]

    def rate(self, threads, key):
        # The highest is closest to what the machine can do when nothing else runs.
        return max(run[key] for run in self.results.runs("limits", str(threads)))

    def sampling(self, name, sequences, threads, context=0):
        """Tokens a second by operations and by bytes."""
        shape = Shape(name, self.vocabulary)
        attention = 4 * shape.layers * shape.hidden * context
        read = self.rate(threads, "bytes") * sequences / (4 * shape.weights)
        return self.rate(threads, "operations") / (shape.sampling(1, 1) + attention), read

    def training(self, name, threads):
        tokens = BATCH * LENGTH
        work = Shape(name, self.vocabulary).training(RANK, tokens, tokens // 2)
        return tokens * self.rate(threads, "operations") / work

    def sampling_bytes(self, name, positions, file):
        shape = Shape(name, self.vocabulary)
        packed = 4 * shape.weights
        return (packed if packed <= PACKED_LIMIT else file) + positions * shape.cache_bytes

    def training_bytes(self, name, file):
        shape = Shape(name, self.vocabulary)
        adapter = shape.layers * sum(RANK * (o + i) for o, i in shape.linears)
        return file + 4 * 4 * adapter


class Curve:
    """The quietest runs of one workload with their limits."""

    def __init__(self, results, limits, workload, model=None, sequences=64, threads=2, attention=False):
        size = lambda name: int(name) if name.isdigit() else [*SHAPES].index(name)
        self.names = sorted(results.said["workloads"].get(workload, {}), key=size)
        self.x, self.rates, self.rate_limits, self.bytes, self.byte_limits = [], [], [], [], []
        self.others = []
        for name in self.names:
            run = min(results.runs(workload, name), key=lambda run: run["others"])
            shape = model or name
            count = int(name) if workload.startswith("sequences") else sequences
            self.x.append(Shape(shape, limits.vocabulary).parameters if model is None else int(name))
            self.rates.append(run["tokens_per_second"])
            self.bytes.append(run["peak"])
            self.others.append(run["others"])
            if workload.startswith("training"):
                self.rate_limits.append((limits.training(shape, threads), float("inf")))
                self.byte_limits.append(limits.training_bytes(shape, run["file"]))
            else:
                context = run["context"] if attention else 0
                self.rate_limits.append(limits.sampling(shape, count, threads, context))
                self.byte_limits.append(limits.sampling_bytes(shape, run["positions"], run["file"]))


def curves(results):
    limits = Limits(results)
    return {
        "model": Curve(results, limits, "model"),
        "training": Curve(results, limits, "training"),
        "one": Curve(results, limits, "sequences, threads 1", "135M", threads=1),
        "two": Curve(results, limits, "sequences, threads 2", "135M"),
        "context": Curve(results, limits, "context", "60M", 32, attention=True),
        "training, one": Curve(results, limits, "training, threads 1", threads=1),
    }


def by_threads(curves):
    """Rates and bytes with their limits at one and two threads, of sampling and of training, all 135M."""
    pick = lambda curve, name: [
        values[curve.names.index(name)]
        for values in (curve.rates, [min(pair) for pair in curve.rate_limits], curve.bytes, curve.byte_limits)
    ]
    return {
        "sampling": list(zip(pick(curves["one"], "64"), pick(curves["two"], "64"))),
        "training": list(zip(pick(curves["training, one"], "135M"), pick(curves["training"], "135M"))),
    }


def plain(value, _=None):
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def dress(axes, title, unit, along, ticks, labels=None, from_zero=False):
    """Title, units and plain numbers; `from_zero` is a linear scale upwards instead of a logarithmic one."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    axes.set_title(title, loc="left", fontsize=12, fontweight="bold")
    axes.set_ylabel(unit)
    axes.set_xlabel(along)
    axes.set_xscale("log")
    axes.set_xticks(ticks, labels or [plain(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    if from_zero:
        axes.set_ylim(0, axes.get_ylim()[1] * 1.3)
    else:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 1000 else (1,)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(plain))
    axes.grid(True, which="major", color="#dddddd", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=9.5, frameon=False, ncols=2 if from_zero else 1)


def draw(axes, x, values, limit, name, colour, limit_name=None):
    axes.plot(x, values, "o-", color=colour, label=name, linewidth=2, markersize=5, zorder=3)
    axes.plot(x, limit, "--", color=colour, label=limit_name or f"limit of {name}", linewidth=1.4)


def least(curve):
    return [min(pair) for pair in curve.rate_limits]


def giga(values):
    return [value / 1e9 for value in values]


def draw_sizes(rates, memory, found):
    model, training = found["model"], found["training"]
    draw(rates, model.x, model.rates, least(model), "sampling", BLUE)
    draw(rates, training.x, training.rates, least(training), "training", RED)
    dress(rates, "Model size: tokens a second", "tokens/s", "weights (sampling: 64 sequences)", model.x, model.names)
    packed = "f32 weights (7B: the file) and cache"
    draw(memory, model.x, giga(model.bytes), giga(model.byte_limits), "sampling", BLUE, packed)
    state = "training: file, adapter, moments"
    draw(memory, training.x, giga(training.bytes), giga(training.byte_limits), "training", RED, state)
    dress(memory, "Model size: peak memory", "GB", "weights", model.x, model.names)


def draw_sequences(rates, memory, found):
    one, two = found["one"], found["two"]
    for curve, name, colour in ((one, "1 thread", RED), (two, "2 threads", BLUE)):
        draw(rates, curve.x, curve.rates, least(curve), name, colour)
        memory.plot(curve.x, giga(curve.bytes), "o-", color=colour, label=name, linewidth=2, markersize=5)
    dress(rates, "Sequences: tokens a second", "tokens/s", "sequences at once (135M)", one.x)
    memory.plot(one.x, giga(one.byte_limits), "--", color=GREY, label="f32 weights and cache")
    dress(memory, "Sequences: peak memory", "GB", "sequences at once (135M)", one.x, from_zero=True)


def draw_context(rates, memory, found):
    curve, along = found["context"], "tokens of the common prefix (60M, 32 sequences)"
    draw(rates, curve.x, curve.rates, least(curve), "sampling", BLUE)
    dress(rates, "Context: tokens a second", "tokens/s", along, curve.x, from_zero=True)
    draw(memory, curve.x, giga(curve.bytes), giga(curve.byte_limits), "sampling", BLUE, "f32 weights and cache")
    dress(memory, "Context: peak memory", "GB", along, curve.x, from_zero=True)


def draw_threads(rates, memory, found):
    threads, along = by_threads(found), "threads (135M; sampling: 64 sequences)"
    for name, colour in (("sampling", BLUE), ("training", RED)):
        seen, limit, held, smallest = threads[name]
        draw(rates, [1, 2], seen, limit, name, colour)
        draw(memory, [1, 2], giga(held), giga(smallest), name, colour, f"least for {name}")
    for axes in (rates, memory):
        axes.set_xlim(0.93, 2.15)
    dress(rates, "Threads: tokens a second", "tokens/s", along, [1, 2], from_zero=True)
    dress(memory, "Threads: peak memory", "GB", along, [1, 2], from_zero=True)


def plot(results, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot

    pyplot.rcParams.update({"font.size": 11, "svg.hashsalt": "scaling", "font.family": "DejaVu Sans"})
    figure, rows = pyplot.subplots(4, 2, figsize=(11.5, 16), layout="constrained")
    found = curves(results)
    for row, draw_row in zip(rows, (draw_sizes, draw_sequences, draw_context, draw_threads)):
        draw_row(*row, found)
    others = max(share for curve in found.values() for share in curve.others)
    if others >= QUIET:
        note = f"Other programs took up to {others:.0%} of the processors meanwhile; limits are of the idle machine."
        figure.supxlabel(note, fontsize=10.5, color=RED)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    figure.savefig(path, facecolor="white", metadata={"Date": None} if str(path).endswith("svg") else None)


def table(results):
    titles = {
        "model": "sampling, 64 sequences, 2 threads", "training": "training, 2 threads",
        "training, one": "training, 1 thread", "one": "135M, 1 thread, sequences", "two": "135M, 2 threads, sequences",
        "context": "60M, 32 sequences, prefix",
    }  # fmt: skip
    print("| | | tokens/s | limit, multiply-adds | limit, reading weights | of the lower | peak memory "
          "| least memory | other programs |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for key, curve in curves(results).items():
        for name, rate, (work, read), held, smallest, others in zip(
            curve.names, curve.rates, curve.rate_limits, curve.bytes, curve.byte_limits, curve.others
        ):  # fmt: skip
            reading = f"{read:,.0f}" if read < float("inf") else ""
            print(f"| {titles[key]} | {name} | {rate:,.1f} | {work:,.1f} | {reading} | {rate / min(work, read):.0%} "
                  f"| {held / 1e6:,.0f} MB | {smallest / 1e6:,.0f} MB | {others:.0%} |")  # fmt: skip


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("--like", help="a GGUF file whose tokenizer is copied")
    options.add_argument("--large", help="a 7B file of make_large_model.py, for `model_7b` and `training_7b`")
    options.add_argument("--work", help="keep files here (absent: a temporary directory)")
    options.add_argument("--sweeps", default="limits,training,model,sequences,context")
    options.add_argument("--output", required=True, help="add the results to this JSON file")
    options.add_argument("--plot", help="draw the figure to this file")
    options.add_argument("--plot-only", action="store_true", help="measure nothing")
    given = options.parse_args()
    results = Results(given.output, {"batch": BATCH, "length": LENGTH, "rank": RANK})
    if not given.plot_only:
        if not given.like:
            options.error("--like is needed to measure")
        with tempfile.TemporaryDirectory() as temporary:
            work = Path(given.work or temporary)
            work.mkdir(parents=True, exist_ok=True)
            results.said.setdefault("machine", machine())
            sweeps = Sweeps(given, results, work)
            for sweep in given.sweeps.split(","):
                getattr(sweeps, sweep)()
    print(f"{results.said.get('machine')}\n")
    if all(workload in results.said["workloads"] for workload in ["limits", *SWEPT]):
        table(results)
        if given.plot:
            plot(results, given.plot)


if __name__ == "__main__":
    main()

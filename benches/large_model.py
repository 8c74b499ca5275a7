"""A model of 7 billion parameters on one machine: sampling and LoRA training within 12 GB.

    cargo build --release -p autodidact
    cargo build --release -p autodidact-engine --example workload_sampling --example workload_training \\
        --example greedy
    python3 benches/large_model.py --like SmolLM2-135M-Instruct.Q4_1.gguf --llama LLAMA/bin \\
        [--model 7B.gguf] [--work DIR] [--parts check,sampling,llama,training] [--limit-gb 12] [--output FILE]

The model has random weights in llama.cpp's mixture Q4_K_M (`benches/make_large_model.py`, 4.5 GB), unless
`--model` names one that was made before; `--shape` names its shape. `check` makes one of 15 million
weights as well and compares greedy tokens: ours from the quantized file with those of llama.cpp from the
same weights as F32, where both compute with full precision; then the first tokens of the large model,
where llama.cpp rounds activations to eight bits and so need not agree.

Sampling: a prefix of 64 tokens, 4 questions of 16 tokens, 4 samples of each, 16 new tokens a sample,
temperature 0.8 over the whole vocabulary: 16 sequences at once. Timed is everything from the first prompt
token to the last sampled one. llama.cpp gets the same token ids through `llama-server` (how:
`benches/llama.py`), the prefix evaluated once and a question once for its samples, on the file as it is;
`llama-batched-bench` is decoding alone. Training: `--steps` steps of LoRA at rank 16 on every linear layer, on
`--sequences` sequences of `--length` tokens of which half are completion, in eight bits, as the program trains by
default. llama.cpp does not train adapters.

Our processes run with an address space (`RLIMIT_AS`) of `--limit-gb`, so more memory than that cannot be
had: the mapped file counts in it, and an allocation beyond it ends the process. Peak memory is `VmHWM`, in
which pages of the mapped file count too; `not the file` is the most of anonymous memory, seen twenty times
a second. The limit is what the matrix products with weights alone would take at the rate of fused
multiply-adds that `autodidact bench` measures on all cores (`crates/engine/src/bench/work.rs`).
"""

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from common import PROGRAM, TARGET, Watch, machine
from llama import LlamaServer, batched_bench, quantized
from make_large_model import SHAPES, Metadata, write
from results import Results

SAMPLING = TARGET / "examples" / "workload_sampling"
TRAINING = TARGET / "examples" / "workload_training"
GREEDY = TARGET / "examples" / "greedy"
PREFIX, QUESTION, QUESTIONS, SAMPLES, RANK = 64, 16, 4, 4, 16
PLAIN = {"ignore_eos": True, "temperature": 0.8, "seed": 1, "samplers": ["temperature"]}


class Shape:
    """What a shape of `make_large_model.py` costs: operations and bytes."""

    def __init__(self, name, vocabulary):
        hidden, self.layers, heads, kv_heads, feed_forward, tied = SHAPES[name]
        self.keys = hidden // heads * kv_heads
        # Outputs and inputs of every linear layer of a block; the first three read the same input.
        self.linears = [(hidden, hidden), (self.keys, hidden), (self.keys, hidden), (hidden, hidden),
                        (feed_forward, hidden), (feed_forward, hidden), (hidden, feed_forward)]  # fmt: skip
        self.block = sum(o * i for o, i in self.linears)
        self.head, self.hidden = vocabulary * hidden, hidden
        # What is multiplied with; all there is has the embedding too, where it is not the head.
        self.weights = self.layers * self.block + self.head
        self.parameters = self.weights + (0 if tied else self.head)
        self.cache_bytes = self.layers * self.keys * 2 * 4

    def sampling(self, computed, wanted):
        """Operations of `sampling_operations` of `engine/src/bench/work.rs`."""
        keys = 2 * self.keys * self.hidden
        rows = ((self.layers - 1) * self.block + keys) * computed + (self.block - keys + self.head) * wanted
        return 2 * rows

    def training(self, rank, tokens, completion):
        """Operations of `training_operations` of `engine/src/bench/work.rs`."""
        operations = 4 * completion * self.head
        for layer in range(self.layers):
            for at, (outputs, inputs) in enumerate(self.linears):
                rows = completion if layer + 1 == self.layers and at not in (1, 2) else tokens
                back = 0 if layer == 0 and at < 3 else outputs * inputs + rank * inputs
                base = outputs * inputs + 2 * rank * (outputs + inputs) + rank * outputs
                operations += 2 * rows * (base + back)
        return operations


class Memory:
    """What a process holds, asked twenty times a second: most anonymous memory, most address space."""

    def __init__(self, pid):
        self.pid, self.anonymous, self.peak, self.space = pid, 0, 0, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def _watch(self):
        while not self._over.wait(0.05):
            self.look()

    def look(self):
        try:
            text = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return
        said = {key: int(kilobytes) * 1024 for key, kilobytes in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}
        self.anonymous = max(self.anonymous, said.get("RssAnon", 0))
        self.peak = max(self.peak, said.get("VmHWM", 0))
        self.space = max(self.space, said.get("VmPeak", 0))

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def said(self):
        return {"peak": self.peak, "anonymous": self.anonymous, "space": self.space}


def run_json(command, limit=None):
    """Runs a program that prints a line of JSON, with at most `limit` bytes of address space.

    `cpu` are the seconds of processor it had, `others` is the share of the machine's that went elsewhere.
    """
    confine = (lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))) if limit else None
    command = list(map(str, command))
    with Watch() as watch, subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=confine
    ) as child, Memory(child.pid) as memory:  # fmt: skip
        out, errors = child.communicate()
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}: {errors[-400:]}")
    said = json.loads(out.strip().splitlines()[-1])
    return {**said, "cpu": watch.cpu, "others": watch.others, **memory.said(), "peak": said.get("peak_bytes") or memory.peak}


def make(like, name, directory, context=4096):
    """The file of a shape, made on first use."""
    path = Path(directory) / f"random-{name}.gguf"
    if not path.exists():
        print(f"making {path.name}", file=sys.stderr)
        part = path.with_suffix(".part")
        write(part, like, name, context, 1)
        part.rename(path)
    return path


def write_prompts(model, path, prefix, questions, question=QUESTION):
    """Prompts of `workload_sampling` with questions cut to so many tokens."""
    command = [SAMPLING, "prompts", model, path, "--prefix", prefix, "--questions", questions]
    subprocess.run(list(map(str, command)), check=True)
    prompts = json.loads(path.read_text())
    prompts["questions"] = [tokens[:question] for tokens in prompts["questions"]]
    path.write_text(json.dumps(prompts))
    return prompts


def write_batch(path, sequences, length):
    """One batch of random tokens, half of each sequence completion; no two begin alike."""
    token = lambda i, j: 300 + (i * 7919 + j * 31 + i * j * 17) % 40_000
    batch = [{"tokens": [token(i, j) for j in range(length)], "prompt_tokens": length // 2} for i in range(sequences)]
    path.write_text(json.dumps({"batches": [batch]}))


def fma_rate(model, cores=None):
    """Floating-point operations a second of all cores, or of the first so many, as `bench` measures it."""
    command = [PROGRAM, "bench", "--model", model, "--offline", "--output", "json"]
    pinned = ["taskset", "-c", f"0-{cores - 1}"] if cores else []
    said = run_json(pinned + command)
    return float(re.search(r"(\d+) GFLOP/s", said["machine"])[1]) * 1e9


def greedy_ours(model, prompts, new, work):
    asked, answered = work / "greedy_prompts.json", work / "greedy.json"
    asked.write_text(json.dumps({"prompts": [{"ids": tokens} for tokens in prompts]}))
    subprocess.run(list(map(str, [GREEDY, model, asked, answered, new])), check=True)
    return [said["greedy"] for said in json.loads(answered.read_text())["prompts"]]


def greedy_theirs(given, model, prompts, new, **settings):
    """Greedy tokens, and for each prompt the ten first choices for its first token."""
    with LlamaServer(given.llama, model, 1, 512, given.threads, **settings) as server:
        tokens, first = [], []
        for prompt in prompts:
            body = {"prompt": prompt, "n_predict": new, "temperature": 0, "return_tokens": True, "n_probs": 10}
            answer = server.post("/completion", body)
            tokens.append(answer["tokens"])
            first.append([choice["id"] for choice in answer["completion_probabilities"][0]["top_logprobs"]])
    return tokens, first


def check(given, results, model, prompts, work):
    """Do both programs read these files, and alike?"""
    texts = [prompts["prefix"][:32] + question for question in prompts["questions"]]
    small = make(Metadata(given.like), "15M", work)
    exact = quantized(given.llama, small, "F32", work)
    ours = greedy_ours(small, texts, 8, work)
    theirs, _ = greedy_theirs(given, exact, texts, 8)
    same = sum(a[: len(b)] == b[: len(a)] for a, b in zip(ours, theirs))
    ours = greedy_ours(model, texts, 1, work)
    theirs, first = greedy_theirs(given, model, texts, 1, cache="f16", flash="auto")
    run = {
        "prompts": len(texts),
        "small_same": same,
        "same": sum(a[:1] == b[:1] for a, b in zip(ours, theirs)),
        "among_ten": sum(a[0] in ten for a, ten in zip(ours, first)),
    }
    print(json.dumps(run), file=sys.stderr)
    results.add("check", "greedy", run)


def decode(model, path, samples, new, threads, sequences, limit=None):
    """One run, and the rate of decoding alone: its time less that of a run to the first token.

    `--decode` of the example says the same, but samples everything once more for it.
    """
    command = [SAMPLING, "run", model, path, "--samples", samples, "--threads", threads, "--batch", sequences]
    first = run_json([*command, "--new", 1], limit)
    said = run_json([*command, "--new", new], limit)
    tokens = said["generated_tokens"] - first["generated_tokens"]
    said["decoding"] = tokens / (said["seconds"] - first["seconds"])
    said["others"] = max(said["others"], first["others"])
    return said


def sampling_ours(given, model, path, limit):
    said = decode(model, path, SAMPLES, given.new, given.threads, QUESTIONS * SAMPLES, limit)
    keep = ("seconds", "load_seconds", "tokens_per_second", "decoding", "peak", "anonymous", "space", "cpu", "others")
    return {key: said[key] for key in keep}


def sampling_theirs(given, model, prompts):
    """The same samples from llama-server."""
    tokens = QUESTIONS * SAMPLES * given.new
    context, begun = PREFIX + QUESTION + given.new + 2, time.monotonic()
    with LlamaServer(
        given.llama, model, QUESTIONS * SAMPLES, context, given.threads, samples=SAMPLES, cache="f16", flash="auto"
    ) as server, Memory(server.process.pid) as memory:  # fmt: skip
        server.post("/completion", {"prompt": [1, 2, 3], "n_predict": 1})
        loaded = time.monotonic()
        server.share(prompts["prefix"])
        asked = [prompts["prefix"] + question for question in prompts["questions"]]
        answers = server.complete(asked, {**PLAIN, "n_predict": given.new})
        seconds = time.monotonic() - loaded
        memory.look()
    made = sum(answer["tokens_predicted"] for several in answers for answer in several)
    if made != tokens:
        raise RuntimeError(f"{made} tokens instead of {tokens}")
    return {"seconds": seconds, "load_seconds": loaded - begun, "tokens_per_second": tokens / seconds, **memory.said()}


def decoding_theirs(given, model):
    slots, prompt = QUESTIONS * SAMPLES, PREFIX + QUESTION
    context = prompt + slots * (given.new + 1) + 64
    return batched_bench(given.llama, model, given.threads, prompt, given.new, slots, context)


def training_ours(given, model, path, limit):
    command = [TRAINING, "run", model, path, "--steps", given.steps, "--threads", given.threads, "--rank", RANK]
    command += ["--arithmetic", "eight-bit"]
    said = run_json(command, limit)
    batch = said["batches"][0]
    seconds = statistics.median(batch["seconds"][1:] or batch["seconds"])
    keep = {key: said[key] for key in ("load_seconds", "peak", "anonymous", "space", "cpu", "others")}
    return {**keep, "seconds": seconds, "tokens_per_second": batch["tokens"] / seconds, "losses": batch["losses"]}


def one_round(given, results, model, work):
    limit = int(given.limit_gb * 1e9)
    path, batch = work / "large_prompts.json", work / "large_batch.json"
    prompts = write_prompts(model, path, PREFIX, QUESTIONS)
    write_batch(batch, given.sequences, given.length)
    parts = {
        "check": lambda: check(given, results, model, prompts, work),
        "sampling": lambda: results.add("sampling", "autodidact", sampling_ours(given, model, path, limit)),
        "llama": lambda: results.add(
            "sampling", "llama.cpp",
            {**sampling_theirs(given, model, prompts), "decoding": decoding_theirs(given, model)},
        ),
        "training": lambda: results.add("training", "autodidact", training_ours(given, model, batch, limit)),
    }  # fmt: skip
    for part in given.parts.split(","):
        print(part, file=sys.stderr)
        parts[part]()


def limits(given, rate):
    """Tokens a second at most: of sampling, of decoding alone, of training."""
    shape = Shape(given.shape, Metadata(given.like).vocabulary())
    samples = QUESTIONS * SAMPLES
    again = samples * (given.new - 1)
    whole = shape.sampling(PREFIX + QUESTIONS * QUESTION + again, QUESTIONS + again)
    tokens = given.sequences * given.length
    step = shape.training(RANK, tokens, tokens // 2)
    return {
        "sampling": samples * given.new * rate / whole,
        "decoding": rate / shape.sampling(1, 1),
        "training": tokens * rate / step,
    }


def row(name, results, workload, entrant, key, most):
    runs = results.runs(workload, entrant)
    if not runs or any(key not in run for run in runs):
        return
    rate = results.median(workload, entrant, key)
    cells = [f"{results.median(workload, entrant, field) / 1e9:.1f} GB" for field in ("peak", "anonymous", "space")]
    print(f"| {name} | {rate:.2f} | {most:.2f} | {rate / most:.0%} | {' | '.join(cells)} |")


def table(given, results):
    for run in results.runs("check", "greedy")[-1:]:
        print(f"Greedy: 15M as F32, {run['small_same']} of {run['prompts']} texts of 8 tokens are the same; "
              f"the large model, {run['same']} of {run['prompts']} first tokens "
              f"({run['among_ten']} of ours are among its ten first choices).\n")  # fmt: skip
    most = limits(given, results.said["rate"])
    print("| | tokens/s | limit of f32 products | of it | peak memory | not the file | address space |")
    print("|---|---|---|---|---|---|---|")
    for name in ("autodidact", "llama.cpp"):
        row(f"{name}, 16 sequences, end to end", results, "sampling", name, "tokens_per_second", most["sampling"])
        row(f"{name}, decoding alone", results, "sampling", name, "decoding", most["decoding"])
    row("autodidact, LoRA training", results, "training", "autodidact", "tokens_per_second", most["training"])
    ours = results.runs("sampling", "autodidact") + results.runs("training", "autodidact")
    shares = [run["others"] for run in ours if "others" in run]
    if shares:
        print(f"\nDuring our runs other programs took {min(shares):.0%} to {max(shares):.0%} of the processors.")
    losses = [run["losses"] for run in results.runs("training", "autodidact")]
    if losses:
        print(f"\nLosses of the training steps: {', '.join(f'{loss:.3f}' for loss in losses[-1])}.")


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("--like", required=True, help="a GGUF file whose tokenizer is copied")
    options.add_argument("--llama", required=True, help="directory of llama.cpp's programs")
    options.add_argument("--model", help="the large model (absent: made in --work)")
    options.add_argument("--shape", choices=SHAPES, default="7B")
    options.add_argument("--work", help="keep files here (absent: a temporary directory)")
    options.add_argument("--parts", default="check,sampling,llama,training")
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--new", type=int, default=16)
    options.add_argument("--steps", type=int, default=2, help="of training; the first of several is not counted")
    options.add_argument("--sequences", type=int, default=2)
    options.add_argument("--length", type=int, default=64)
    options.add_argument("--limit-gb", type=float, default=12)
    options.add_argument("--output", help="add the results to this JSON file")
    given = options.parse_args()
    kept = ("shape", "threads", "new", "sequences", "length", "limit_gb")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(given.work or temporary)
        work.mkdir(parents=True, exist_ok=True)
        like = Metadata(given.like)
        model = Path(given.model) if given.model else make(like, given.shape, work)
        results = Results(given.output, {key: getattr(given, key) for key in kept})
        results.said["machine"] = machine()
        print(f"{results.said['machine']}; {model.stat().st_size / 1e9:.2f} GB of weights", flush=True)
        rate = fma_rate(make(like, "15M", work))
        results.said["rate"] = max(rate, results.said.get("rate", 0))
        for _ in range(given.rounds):
            one_round(given, results, model, work)
        print(f"{results.said['rate'] / 1e9:.0f} GFLOP/s of fused multiply-adds\n")
        table(given, results)


if __name__ == "__main__":
    main()

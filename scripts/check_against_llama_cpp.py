#!/usr/bin/env python3
"""Does the engine write the same text as llama.cpp, and find a fixed text as likely?

    python scripts/check_against_llama_cpp.py --model M.gguf --llama LLAMA/bin \\
        [--lora ADAPTER.gguf [--merged MERGED.gguf]] [--text FILE --context 1024]

* Both get the same token ids and decode them greedily. They must agree token by token; where two
  tokens are equally likely they may part, and such a place counts as a tie. llama.cpp takes GELU out
  of a table of half floats, so that Gemma's and Falcon's logits move by some thousandths: there, a
  gap of a hundredth is a tie.
* The perplexity of a fixed text, by `llama-perplexity` and by the engine over the same chunks, must
  agree within 0.01 %.

llama.cpp rounds activations to 8 bits wherever a weight is quantised, so it is asked on an F32 copy
of the file, made by its own `llama-quantize`; the engine reads M.gguf itself. What llama.cpp makes of
M.gguf is printed as well, beside the engine with activations in full and of eight bits, and decides
nothing: each rounds in an order of its own.

With --lora the same holds for the adapter, which llama.cpp loads by `--lora`, and with --merged for
the file that `autodidact merge ADAPTER --model M.gguf --store f32 --out MERGED.gguf` wrote: llama.cpp
reads it alone. An adapter that changes nothing proves nothing, and is an error.

Ends with 1 if anything differs. Needs llama.cpp's llama-server, llama-perplexity and llama-quantize,
no package of Python's, and two examples of the engine:

    cargo build --release -p autodidact-engine --example greedy --example perplexity
"""

import argparse
import json
import math
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a village by the sea,",
    "def fibonacci(n):\n    ",
    "Q: What is 17 + 25?\nA:",
    "1, 1, 2, 3, 5, 8, 13,",
    "Le chat est assis sur",
    "Water boils at a lower temperature on a mountain because",
    "Dear Sir or Madam,\n\nI am writing to",
    "| name | age |\n|------|-----|\n| Ada  |",
    "日本の首都は",
]
QUESTIONS = [
    "A train goes 60 km in 45 minutes. How fast is it?",
    "Name three rivers in Germany.",
    "Write a haiku about rain.",
    "Tom has 3 boxes of 12 eggs and breaks 5 eggs. How many are whole?",
]
# Lewis Carroll, Alice's Adventures in Wonderland (1865), from the first chapter.
TEXT = """\
Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to
do: once or twice she had peeped into the book her sister was reading, but it had no pictures or
conversations in it, "and what is the use of a book," thought Alice, "without pictures or
conversations?"

So she was considering in her own mind (as well as she could, for the hot day made her feel very
sleepy and stupid), whether the pleasure of making a daisy-chain would be worth the trouble of getting
up and picking the daisies, when suddenly a White Rabbit with pink eyes ran close by her.

There was nothing so very remarkable in that; nor did Alice think it so very much out of the way to
hear the Rabbit say to itself, "Oh dear! Oh dear! I shall be late!" (when she thought it over
afterwards, it occurred to her that she ought to have wondered at this, but at the time it all seemed
quite natural); but when the Rabbit actually took a watch out of its waistcoat-pocket, and looked at
it, and then hurried on, Alice started to her feet, for it flashed across her mind that she had never
before seen a rabbit with either a waistcoat-pocket, or a watch to take out of it, and burning with
curiosity, she ran across the field after it, and fortunately was just in time to see it pop down a
large rabbit-hole under the hedge.

In another moment down went Alice after it, never once considering how in the world she was to get out
again.

The rabbit-hole went straight on like a tunnel for some way, and then dipped suddenly down, so
suddenly that Alice had not a moment to think about stopping herself before she found herself falling
down a very deep well.

Either the well was very deep, or she fell very slowly, for she had plenty of time as she went down to
look about her and to wonder what was going to happen next. First, she tried to look down and make out
what she was coming to, but it was too dark to see anything; then she looked at the sides of the well,
and noticed that they were filled with cupboards and book-shelves; here and there she saw maps and
pictures hung upon pegs. She took down a jar from one of the shelves as she passed; it was labelled
"ORANGE MARMALADE", but to her great disappointment it was empty: she did not like to drop the jar for
fear of killing somebody underneath, so managed to put it into one of the cupboards as she fell past
it."""
# Everything in float32: no flash attention, and no keys and values in halves.
PRECISE = ["-fa", "off", "-ctk", "f32", "-ctv", "f32", "-ngl", "0"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    examples = Path(__file__).resolve().parent.parent / "target/release/examples"
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--llama", type=Path, required=True, help="the directory of llama.cpp's programs")
    parser.add_argument("--engine", type=Path, default=examples, help="that of the engine's (%(default)s)")
    parser.add_argument("--lora", type=Path, help="an adapter, a GGUF file")
    parser.add_argument("--merged", type=Path, help="the model with this adapter merged into it")
    parser.add_argument("--text", type=Path, help="another text to be found likely or not")
    parser.add_argument("--context", type=int, default=256, help="tokens of a chunk of it (%(default)s)")
    parser.add_argument("--tokens", type=int, default=64, help="most new tokens (%(default)s)")
    parser.add_argument("--tie", type=float, help="largest logit gap of a tie (1e-3, with GELU 1e-2)")
    parser.add_argument("--perplexity", type=float, default=1e-4, help="largest relative difference")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="llama.cpp's (%(default)s)")
    args = parser.parse_args()
    if args.merged and not args.lora:
        parser.error("--merged needs the adapter that was merged: --lora")
    if args.tie is None:
        args.tie = 1e-2 if architecture(args.model).startswith(("gemma", "falcon")) else 1e-3
    return args


def architecture(model):
    """The metadata entry `general.architecture`: its key, 8 for a text, a length, and the text."""
    with model.open("rb") as file:
        header = file.read(1 << 20)
    at = header.index(b"general.architecture") + len("general.architecture") + 4
    length = int.from_bytes(header[at : at + 8], "little")
    return header[at + 8 : at + 8 + length].decode()


# ---------------------------------------------------------------------------- llama.cpp


class Server:
    """A llama-server: one slot, no prompt cache."""

    def __init__(self, args, model, lora=None):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [args.llama / "llama-server", "-m", model, "--host", "127.0.0.1", "--port", self.port]
        command += ["-c", 2048, "-np", 1, "--no-warmup", "-t", args.threads, *PRECISE]
        command += ["--lora", lora] if lora else []
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(c) for c in command], stdout=self.log, stderr=self.log)

    def __enter__(self):
        for _ in range(600):
            try:
                self.call("/health")
                return self
            except (urllib.error.URLError, ConnectionError):
                if self.process.poll() is not None:
                    break
                time.sleep(0.2)
        self.__exit__()
        self.log.seek(0)
        sys.exit("llama-server does not answer:\n" + self.log.read().decode(errors="replace")[-2000:])

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data=data, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.loads(answer.read())

    def tokenize(self, text, begin, control):
        body = {"content": text, "add_special": begin, "parse_special": control}
        return self.call("/tokenize", body)["tokens"]

    def greedy(self, ids, most):
        """Ids with the end token, its own log-probabilities of them, and whether it stopped there."""
        body = {
            "prompt": ids, "n_predict": most, "temperature": 0, "samplers": ["temperature"],
            "n_probs": 2, "cache_prompt": False, "return_tokens": True,
        }  # fmt: skip
        answer = self.call("/completion", body)
        steps = [(step["id"], step["logprob"]) for step in answer.get("completion_probabilities", [])]
        # It says nothing about a token that is half a character; then the numbers are of no use.
        known = [lp for _, lp in steps] if [i for i, _ in steps] == answer["tokens"][: len(steps)] else []
        return answer["tokens"], known, answer["stop_type"] == "eos"

    def starts(self):
        """Texts to go on with, and questions in the model's own template, as ids."""
        starts = [self.tokenize(text, True, False) for text in PROMPTS]
        for question in QUESTIONS:
            body = {"messages": [{"role": "user", "content": question}]}
            starts.append(self.tokenize(self.call("/apply-template", body)["prompt"], False, True))
        return starts


def to_f32(args, model, target):
    command = [args.llama / "llama-quantize", "--allow-requantize", model, target, "F32"]
    run = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"llama-quantize failed:\n{run.stderr[-2000:]}")
    return target


def their_perplexity(args, text, model, lora):
    command = [args.llama / "llama-perplexity", "-m", model, "-f", text, "--no-escape", "--no-warmup"]
    command += ["-c", args.context, "-b", args.context, "-t", args.threads, *PRECISE]
    command += ["--lora", lora] if lora else []
    run = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    found = re.search(r"Final estimate: PPL = ([\d.]+)", run.stdout + run.stderr)
    if not found:
        sys.exit(f"llama-perplexity failed:\n{run.stderr[-2000:]}")
    return float(found[1])


# ---------------------------------------------------------------------------- our engine


def engine_greedy(args, starts, options):
    with tempfile.TemporaryDirectory() as tmp:
        prompts, out = Path(tmp) / "prompts.json", Path(tmp) / "out.json"
        prompts.write_text(json.dumps({"prompts": [{"ids": ids} for ids in starts]}))
        command = [args.engine / "greedy", args.model, *options[0], prompts, out, args.tokens, *options[1]]
        subprocess.run([str(c) for c in command], check=True)
        return [p["greedy"] for p in json.loads(out.read_text())["prompts"]]


def engine_likelihoods(args, texts, options):
    command = [args.engine / "perplexity", args.model, *options[0], *options[1]]
    run = subprocess.run(
        [str(c) for c in command], input=json.dumps(texts), stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(run.stdout)


class Ours:
    """What the engine writes and how likely it finds the text, with or without the adapter."""

    def __init__(self, args, starts, chunks, adapter=None, eight_bit=False):
        options = ([adapter] if adapter else [], ["--eight-bit"] if eight_bit else [])
        self.greedy = engine_greedy(args, starts, options)
        whole = [start + ids for start, ids in zip(starts, self.greedy)]
        found = engine_likelihoods(args, whole + chunks, options)
        self.gaps = [f["gaps"][len(s) - 1 :] for f, s in zip(found, starts)]
        self.seconds = [f["seconds"][len(s) - 1 :] for f, s in zip(found, starts)]
        self.log_probabilities = [f["log_probabilities"][len(s) - 1 :] for f, s in zip(found, starts)]
        # As llama-perplexity does: the second half of every chunk, seen from the first.
        half = args.context // 2
        likely = [p for f in found[len(whole) :] for p in f["log_probabilities"][half:]]
        self.perplexity = math.exp(-sum(likely) / len(likely))


# ---------------------------------------------------------------------------- comparing


def compare_greedy(args, ours, theirs):
    """Prints where they part; true if nowhere but at ties."""
    same, ties, wrong, furthest = 0, 0, 0, 0.0
    for number, (a, (b, known, ended)) in enumerate(zip(ours.greedy, theirs)):
        for mine, their in zip(ours.log_probabilities[number], known):
            if a[: len(known)] == b[: len(known)]:
                furthest = max(furthest, abs(mine - their))
        # llama.cpp takes more tokens for ends than the file names; behind one it has written nothing.
        if ended and len(b) < len(a) and a[: len(b)] == b:
            print(f"   start {number}: compared up to token {len(b)}, which ends the text for llama.cpp")
            a = a[: len(b)]
        if a == b:
            same += 1
            continue
        pairs = enumerate(zip(a, b))
        step = next((i for i, (x, y) in pairs if x != y), min(len(a), len(b)))
        gap = ours.gaps[number][step]
        parted = [ids[step] if step < len(ids) else "the end" for ids in (a, b)]
        tie = gap < args.tie and parted[1] == ours.seconds[number][step]
        ties, wrong = ties + tie, wrong + (not tie)
        print(f"   start {number}: parts at token {step}: {parted[0]} and {parted[1]}, gap {gap:.1e}")
    tokens = sum(map(len, ours.greedy))
    print(f"   {same} of {len(theirs)} the same ({tokens} tokens), {ties} parted at a tie, {wrong} differ;"
          f" log-probabilities of the same tokens within {furthest:.1e}")  # fmt: skip
    return wrong == 0


def compare(args, label, ours, starts, text, model, lora=None):
    """Greedy text and perplexity; true if both agree."""
    print(f"{label}:")
    with Server(args, model, lora) as server:
        theirs = [server.greedy(ids, args.tokens) for ids in starts]
    good = compare_greedy(args, ours, theirs)
    perplexity = their_perplexity(args, text, model, lora)
    off = ours.perplexity / perplexity - 1
    print(f"   perplexity {ours.perplexity:.4f}, llama.cpp {perplexity:.4f}: {100 * off:+.4f} %")
    return good and abs(off) < args.perplexity


def chunks_of(args, server, text):
    """The text's ids as llama-perplexity cuts them: each chunk begins as a text does."""
    ids, size = server.tokenize(text, True, False), args.context
    begin = ids[: len(ids) - len(server.tokenize(text, False, False))]
    if len(ids) < 2 * size:
        sys.exit(f"the text has {len(ids)} tokens; llama-perplexity wants {2 * size}")
    chunks = [ids[i : i + size] for i in range(0, len(ids) - size + 1, size)]
    return [begin + chunk[len(begin) :] for chunk in chunks]


def check(args, scratch):
    f32 = to_f32(args, args.model, scratch / "f32.gguf")
    text = (args.text.read_text(encoding="utf-8") if args.text else TEXT).rstrip("\n")
    text_file = scratch / "text.txt"
    text_file.write_text(text, encoding="utf-8")
    with Server(args, f32) as server:
        starts, chunks = server.starts(), chunks_of(args, server, text)
    ours = Ours(args, starts, chunks)
    good = compare(args, "base, llama.cpp in float32", ours, starts, text_file, f32)
    compare(args, "base, llama.cpp on the file itself (for information)", ours, starts, text_file, args.model)
    label = "base, both on the file itself with activations of eight bits (for information)"
    compare(args, label, Ours(args, starts, chunks, eight_bit=True), starts, text_file, args.model)
    if args.lora:
        base, ours = ours, Ours(args, starts, chunks, args.lora)
        changed = sum(a != b for a, b in zip(base.greedy, ours.greedy))
        print(f"the adapter changes {changed} of {len(starts)} texts")
        good &= changed > 0
        good &= compare(args, "with --lora", ours, starts, text_file, f32, args.lora)
    if args.merged:
        merged = to_f32(args, args.merged, scratch / "merged.gguf")
        good &= compare(args, "merged", ours, starts, text_file, merged)
    return good


def main():
    args = arguments()
    with tempfile.TemporaryDirectory(prefix="autodidact-llama-cpp-") as scratch:
        good = check(args, Path(scratch))
    print("agrees" if good else "DIFFERS")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

"""The verifier of mathematics and Math-Verify (PyPI) on the same pairs, in one run.

    cargo build --release -p autodidact-verify --example verify_lines
    python3 benches/verifier_vs_math_verify.py [--python PATH | --venvs DIR] [--gsm8k gsm8k-train.jsonl]
        [--pairs 100000] [--sample 1000] [--gsm8k-sample 1200] [--seed 1] [--show 5]

Three sets of pairs, each with what is true of it:

- `table`: the published cases and our own (`crates/verify/tests/data/*.tsv`), those that need no option;
- `generated`: random expressions, rewritten without changing the value, or with one edit that does change
  it. What is true is known by construction: the value of both sides is computed here, as fractions, at
  several points;
- `gsm8k`: gold answers of GSM8K in the ways in which models write them, and each with another number.

Math-Verify is slow, so it sees all of `table` and a random sample of the others; its rates are of that
sample, ours of all pairs, and ours of the same sample beside them. It is installed at the versions below
into an environment of its own, unless `--python` has it. Both sides run on one core; a comparison is the
extraction from the text and the comparison, gold included. Neither start-up nor reading files is counted.

A false accept is an answer that is called right and is not; a false reject is a right one that is not
called right.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import venv
from fractions import Fraction
from pathlib import Path

from common import ROOT, TARGET, machine

OURS = TARGET / "examples" / "verify_lines"
PEER = ROOT / "benches" / "peers" / "math_verify_lines.py"
PACKAGES = ["math-verify==0.9.0", "antlr4-python3-runtime==4.13.2"]
TABLES = ROOT / "crates" / "verify" / "tests" / "data"


def table():
    """The published cases that need no option and have an expectation of two."""
    pairs = []
    for path in sorted(TABLES.glob("*.tsv")):
        for line in path.read_text().splitlines():
            fields = line.split("\t")
            if line.startswith("#") or len(fields) < 4 or fields[4:] not in ([], [""]):
                continue
            _, gold, candidate, expectation = fields[:4]
            pairs.append((gold, candidate.replace("⏎", "\n"), expectation == "equal"))
    return pairs


# Expressions are tuples: ("number", Fraction), ("variable", name), (operator, left, right), ("power", base, n).


def expression(rng, depth):
    if depth == 0 or rng.random() < 0.2:
        if rng.random() < 0.45:
            return ("variable", rng.choice("xyab"))
        if rng.random() < 0.25:
            return ("number", Fraction(rng.randint(1, 9), rng.randint(2, 9)))
        return ("number", Fraction(rng.randint(1, 30)))
    kind = rng.choice(["+", "+", "-", "-", "*", "*", "/", "power"])
    if kind == "power":
        return ("power", expression(rng, depth - 1), rng.randint(2, 3))
    return (kind, expression(rng, depth - 1), expression(rng, depth - 1))


def value(tree, point):
    kind = tree[0]
    if kind == "number":
        return tree[1]
    if kind == "variable":
        return point[tree[1]]
    if kind == "power":
        return value(tree[1], point) ** tree[2]
    left, right = value(tree[1], point), value(tree[2], point)
    if kind == "+":
        return left + right
    if kind == "-":
        return left - right
    if kind == "*":
        return left * right
    return left / right


def points():
    rng = random.Random(7)
    names = "xyab"
    return [{name: Fraction(rng.randint(2, 10**6), rng.randint(1, 997)) for name in names} for _ in range(6)]


POINTS = points()


def values(tree):
    """The value at each point; None where it divides by zero, or is too large to be of use."""
    try:
        found = [value(tree, point) for point in POINTS]
    except ZeroDivisionError:
        return None
    if any(v.numerator.bit_length() + v.denominator.bit_length() > 4000 for v in found):
        return None
    return found


def rewritten(rng, tree):
    """Another expression with the same value."""
    kind = tree[0]
    if kind == "number":
        number = tree[1]
        choice = rng.random()
        if choice < 0.15:
            other = Fraction(rng.randint(1, 9))
            return ("+", ("number", number - other), ("number", other)) if number > other else tree
        if choice < 0.3:
            other = Fraction(rng.randint(2, 9))
            return ("/", ("number", number * other), ("number", other))
        return tree
    if kind == "variable":
        return tree
    if kind == "power":
        base = rewritten(rng, tree[1])
        if rng.random() < 0.5:
            rest = base if tree[2] == 2 else ("power", base, tree[2] - 1)
            return ("*", base, rest)
        return ("power", base, tree[2])
    left, right = rewritten(rng, tree[1]), rewritten(rng, tree[2])
    choice = rng.random()
    if kind in "+*" and choice < 0.4:
        return (kind, right, left)
    if kind == "*" and right[0] in "+-" and choice < 0.7:
        return (right[0], ("*", left, right[1]), ("*", left, right[2]))
    if kind == "/" and left[0] in "+-" and choice < 0.7:
        return (left[0], ("/", left[1], right), ("/", left[2], right))
    if kind == "-" and choice < 0.5:
        return ("+", left, ("*", ("number", Fraction(-1)), right))
    return (kind, left, right)


def edited(rng, tree):
    """One edit somewhere in the expression."""
    kind = tree[0]
    if kind == "number":
        return ("number", tree[1] + rng.choice([-1, 1, Fraction(1, 2)]))
    if kind == "variable":
        return ("variable", rng.choice([name for name in "xyab" if name != tree[1]]))
    if kind == "power":
        return ("power", tree[1], tree[2] + 1) if rng.random() < 0.3 else ("power", edited(rng, tree[1]), tree[2])
    choice = rng.random()
    if choice < 0.3:
        return (rng.choice([other for other in "+-*" if other != kind]), tree[1], tree[2])
    if choice < 0.65:
        return (kind, edited(rng, tree[1]), tree[2])
    return (kind, tree[1], edited(rng, tree[2]))


def number_text(rng, number):
    if number.denominator == 1:
        return str(number.numerator)
    sign, top = ("-", -number.numerator) if number < 0 else ("", number.numerator)
    if 10**6 % number.denominator == 0 and rng.random() < 0.3:
        return f"{sign}{float(abs(number)):.6f}".rstrip("0")
    return f"{sign}\\{rng.choice(FRACTIONS)}{{{top}}}{{{number.denominator}}}"


FRACTIONS = ["frac", "frac", "dfrac", "tfrac"]


def is_simple(tree):
    """A letter, or a whole number without sign."""
    return tree[0] == "variable" or (tree[0] == "number" and tree[1] >= 0 and tree[1].denominator == 1)


def joined(rng, left, right, text):
    """Whether a product may be written without a sign: `3x`, `xy`, `3(x + 1)`."""
    if left[0] == "number" and is_simple(left):
        return text[0].isalpha() or text.startswith(("(", "\\left("))
    return left[0] == "variable" and right[0] == "variable"


RANK = {"+": 1, "-": 1, "*": 2, "/": 2, "power": 3}


def latex(rng, tree, outer=0, right=False):
    kind = tree[0]
    if kind == "number":
        text = number_text(rng, tree[1])
        plain = tree[1] >= 0 and tree[1].denominator == 1
        return text if plain or outer == 0 else f"\\left({text}\\right)"
    if kind == "variable":
        return tree[1]
    rank = RANK[kind]
    if kind == "power":
        text = f"{latex(rng, tree[1], 4)}^" + (f"{{{tree[2]}}}" if rng.random() < 0.5 else str(tree[2]))
    elif kind == "/":
        if outer == 0 and is_simple(tree[1]) and is_simple(tree[2]) and rng.random() < 0.3:
            return f"{latex(rng, tree[1])}/{latex(rng, tree[2])}"
        text = f"\\{rng.choice(FRACTIONS)}{{{latex(rng, tree[1])}}}{{{latex(rng, tree[2])}}}"
        return text if outer < 3 else f"\\left({text}\\right)"
    else:
        sign = {"+": " + ", "-": " - ", "*": rng.choice([" \\cdot ", " \\times "])}[kind]
        right_text = latex(rng, tree[2], rank, True)
        if kind == "*" and joined(rng, tree[1], tree[2], right_text) and rng.random() < 0.6:
            sign = ""
        text = latex(rng, tree[1], rank) + sign + right_text
    if outer > rank or (outer == rank and (right or kind == "power")):
        return f"({text})" if rng.random() < 0.5 else f"\\left({text}\\right)"
    return text


def generated(rng, count):
    pairs = []
    while len(pairs) < count:
        tree = expression(rng, rng.randint(1, 4))
        gold = values(tree)
        if gold is None:
            continue
        equal = rng.random() < 0.5
        other = rewritten(rng, rewritten(rng, tree))
        if not equal:
            other = edited(rng, other)
        theirs = values(other)
        if theirs is None or (theirs == gold) != equal:
            continue
        candidate = latex(rng, other)
        frame = rng.choice(["${}$", "$\\boxed{{{}}}$", "The answer is ${}$.", "So we get $\\boxed{{{}}}$."])
        pairs.append((f"${latex(rng, tree)}$", frame.format(candidate), equal))
    return pairs


def grouped(number):
    return f"{number:,}"


def gsm8k(path):
    """Gold numbers in a dozen ways; every second way has another number."""
    pairs = []
    for index, line in enumerate(open(path)):
        answer = json.loads(line)["answer"]
        gold = answer.rsplit("####", 1)[1].strip()
        try:
            number = int(gold.replace(",", ""))
        except ValueError:
            continue
        solution = answer.rsplit("####", 1)[0].strip()
        for n, equal in ((number, True), (number + 1 + index % 9, False)):
            pairs += [
                (gold, f"{solution}\nThe answer is {n}.", equal),
                (gold, f"{solution}\n#### {n}", equal),
                (gold, f"Thus, \\boxed{{{n}}}", equal),
                (gold, f"The final answer is $\\boxed{{{grouped(n)}}}$.", equal),
                (gold, f"**Answer:** ${grouped(n)}.00", equal),
                (gold, f"The total cost is ${n}.00.", equal),
                (gold, f"Answer: {n} dollars", equal),
                (gold, f"<think>Is it {number + 3}? No.</think>\nThe answer is **{n}**.", equal),
                (gold, f"Therefore x = {n}.", equal),
                (gold, f"The answer is {n}.\n\nQ: What is 5 + 5?\nA: The answer is 10.", equal),
                (gold, f"So the result is \\( {n} \\).\n\n\\[ \\boxed{{{n} \\text{{ apples}}}} \\]", equal),
                (gold, f"The answer is {n}.0", equal),
            ]
    return pairs


def run_ours(pairs, repeat=1):
    lines = "".join(json.dumps({"gold": gold, "candidate": candidate}) + "\n" for gold, candidate, _ in pairs)
    done = subprocess.run([OURS, "--repeat", str(repeat)], input=lines, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    verdicts = [line["verdict"] == "right" for line in lines]
    flagged = sum("flags" in line for line in lines)
    return verdicts, len(pairs) * repeat / json.loads(done.stderr)["seconds"], flagged


def run_peer(python, pairs):
    lines = "".join(json.dumps({"gold": gold, "candidate": candidate}) + "\n" for gold, candidate, _ in pairs)
    done = subprocess.run([python, PEER], input=lines, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    last = json.loads(done.stdout.splitlines()[-1])
    return last["verdicts"], len(pairs) / last["seconds"]


def score(pairs, verdicts):
    accepts = [p for p, v in zip(pairs, verdicts) if v and not p[2]]
    rejects = [p for p, v in zip(pairs, verdicts) if not v and p[2]]
    return accepts, rejects


def python_with_packages(arguments):
    if arguments.python:
        return arguments.python
    directory = Path(arguments.venvs or tempfile.mkdtemp(prefix="math-verify-")) / "math-verify"
    python = directory / "bin" / "python"
    if not python.exists():
        venv.create(directory, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return str(python)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python")
    parser.add_argument("--venvs")
    parser.add_argument("--gsm8k")
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--sample", type=int, default=1000)
    parser.add_argument("--gsm8k-sample", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=0)
    arguments = parser.parse_args()
    python = python_with_packages(arguments)
    rng = random.Random(arguments.seed)
    sets = [("table", table(), None), ("generated", generated(rng, arguments.pairs), arguments.sample)]
    if arguments.gsm8k:
        sets.append(("gsm8k", gsm8k(arguments.gsm8k), arguments.gsm8k_sample))
    print(machine())
    print(f"seed {arguments.seed}; {', '.join(PACKAGES)}\n")
    print("| pairs | side | compared | agree | false accepts | false rejects | comparisons/s |")
    print("|---|---|---|---|---|---|---|")
    shown = []
    for name, pairs, sample in sets:
        verdicts, rate, flagged = run_ours(pairs, 200 if len(pairs) < 1000 else 1)
        few = pairs if sample is None else random.Random(3).sample(pairs, min(sample, len(pairs)))
        theirs, their_rate = run_peer(python, few)
        rows = [("autodidact", pairs, verdicts, rate), ("Math-Verify", few, theirs, their_rate)]
        if sample is not None:
            ours_few, few_rate, _ = run_ours(few, 20)
            rows.insert(1, ("autodidact", few, ours_few, few_rate))
        for side, of, found, speed in rows:
            accepts, rejects = score(of, found)
            agree = len(of) - len(accepts) - len(rejects)
            print(f"| {name} | {side} | {len(of):,} | {agree:,} | {len(accepts):,} | {len(rejects):,} | {speed:,.0f} |")
            for what, wrong in (("false accept", accepts), ("false reject", rejects)):
                shown += [f"{name}, {side}, {what}: {gold!r} | {text!r}" for gold, text, _ in wrong[: arguments.show]]
        print(f"| {name} | ratio | | | | | {rows[-2][3] / their_rate:,.0f}x |", flush=True)
        right = sum(verdicts)
        shown.append(f"{name}: the two readings of the text disagree on {flagged:,} of {right:,} right answers")
    print()
    for line in shown:
        print(line)


if __name__ == "__main__":
    sys.exit(main())

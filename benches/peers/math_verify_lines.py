"""Math-Verify over JSON lines from standard input; verdicts and seconds as one JSON line at the end.

Used by `benches/verifier_vs_math_verify.py`. Settings are the package's own: `parse` and `verify` as its
README has them, gold first, with its time limit of five seconds each.
"""

import json
import logging
import re
import sys
import time

from math_verify import parse, verify

logging.disable(logging.CRITICAL)


def formula(text):
    """Math-Verify reads LaTeX between dollar signs; a text that is a formula and nothing else gets them."""
    if "$" in text or "\\boxed" in text or "\\(" in text or "\\[" in text:
        return text
    words = re.findall(r"[A-Za-z]{4,}", re.sub(r"\\[A-Za-z]+|\{[^{}]*\}", " ", text))
    return text if words else f"${text}$"


def main():
    lines = [json.loads(line) for line in sys.stdin]
    parse("1"), verify(parse("1"), parse("1"))
    verdicts = []
    started = time.perf_counter()
    for line in lines:
        try:
            gold = parse(formula(line["gold"]))
            # The better of both: as it is, and as a formula.
            candidates = [line["candidate"]]
            if formula(line["candidate"]) != line["candidate"]:
                candidates.append(formula(line["candidate"]))
            verdicts.append(any(bool(verify(gold, parse(one))) for one in candidates))
        except Exception:
            verdicts.append(False)
    seconds = time.perf_counter() - started
    print(json.dumps({"verdicts": verdicts, "seconds": seconds}))


if __name__ == "__main__":
    main()

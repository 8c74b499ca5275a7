"""Math-Verify over JSON lines from standard input; verdicts and seconds as one JSON line at the end.

Used by `benches/verifier_vs_math_verify.py`. Settings are the package's own: `parse` and `verify` as its
README has them, gold first, with its time limit of five seconds each.
"""

import json
import logging
import sys
import time

from math_verify import parse, verify

logging.disable(logging.CRITICAL)


def main():
    lines = [json.loads(line) for line in sys.stdin]
    parse("1"), verify(parse("1"), parse("1"))
    verdicts = []
    started = time.perf_counter()
    for line in lines:
        try:
            gold, candidate = line["gold"], line["candidate"]
            if "$" not in gold and "\\boxed" not in gold:
                gold = f"${gold}$"
            verdicts.append(bool(verify(parse(gold), parse(candidate))))
        except Exception:
            verdicts.append(False)
    seconds = time.perf_counter() - started
    print(json.dumps({"verdicts": verdicts, "seconds": seconds}))


if __name__ == "__main__":
    main()

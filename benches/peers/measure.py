"""What every peer does alike: read its arguments, wait for the whistle, report what it cost.

`python PEER.py URL QUESTIONS CONCURRENCY` prints one line of JSON: completed answers, seconds, and
seconds of processor. Imports and building the pipeline are not counted: a peer calls `measured`
with what is left to do. Its child processes count.
"""

import json
import os
import resource
import sys
import sysconfig
import time

# Token counters download tables, unless they find them here: litellm has them with it.
os.environ.setdefault(
    "TIKTOKEN_CACHE_DIR",
    os.path.join(sysconfig.get_path("purelib"), "litellm", "litellm_core_utils", "tokenizers"),
)


def arguments():
    """The base URL with `/v1`, the questions, and how many requests run at once."""
    url, path, concurrency = sys.argv[1:4]
    questions = [json.loads(line)["question"] for line in open(path)]
    return f"{url}/v1", questions, int(concurrency)


def processor():
    spent = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        spent += usage.ru_utime + usage.ru_stime
    return spent


def measured(work):
    """Runs `work`, which returns the number of answers, and prints what it cost."""
    spent, begun = processor(), time.monotonic()
    answers = work()
    seconds, cpu = time.monotonic() - begun, processor() - spent
    print("\n" + json.dumps({"answers": answers, "seconds": seconds, "cpu": cpu}), flush=True)

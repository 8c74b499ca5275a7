"""bespokelabs-curator: its online request processor with the openai backend."""

import os
import tempfile

os.environ.setdefault("OPENAI_API_KEY", "none")
os.environ.setdefault("CURATOR_CACHE_DIR", tempfile.mkdtemp(prefix="curator-"))
os.environ.setdefault("CURATOR_VIEWER", "0")
os.environ.setdefault("TELEMETRY_ENABLED", "false")

from measure import arguments, measured
from bespokelabs import curator

URL, QUESTIONS, CONCURRENCY = arguments()

MODEL = curator.LLM(
    # It looks the longest answer up by name, so the name must be one it knows.
    model_name="gpt-4o-mini",
    backend="openai",
    generation_params={"max_tokens": 1024, "temperature": 0.7},
    backend_params={
        "base_url": URL,
        "max_concurrent_requests": CONCURRENCY,
        "max_requests_per_minute": 100_000_000,
        "max_tokens_per_minute": 100_000_000_000,
        "in_mtok_cost": 0,
        "out_mtok_cost": 0,
    },
)


def work():
    answers = MODEL(QUESTIONS)
    answers = getattr(answers, "dataset", answers)
    return sum("391" in str(row) for row in answers["response"])


measured(work)

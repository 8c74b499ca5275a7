"""CAMEL's SelfImprovingCoTPipeline: the first reasoning trace of each problem, without evaluation.

`max_iterations=0` and no evaluating agent leave one request a problem, the least it can do. Its
threads share the one agent it is given, as in its documentation.
"""

import importlib.machinery
import os
import sys
import types

os.environ.setdefault("CAMEL_LOGGING_DISABLED", "true")
# Importing the pipeline imports reward models that import torch, gigabytes that nothing here uses.
if importlib.machinery.PathFinder.find_spec("torch") is None:
    sys.modules["torch"] = types.ModuleType("torch")

from measure import arguments, measured
from camel.agents import ChatAgent
from camel.datagen.self_improving_cot import SelfImprovingCoTPipeline
from camel.models import ModelFactory
from camel.types import ModelPlatformType

URL, QUESTIONS, CONCURRENCY = arguments()


def model():
    return ModelFactory.create(
        model_platform=ModelPlatformType.OPENAI_COMPATIBLE_MODEL,
        model_type="bench",
        url=URL,
        api_key="none",
        model_config_dict={"max_tokens": 1024, "temperature": 0.7},
    )


def main():
    pipeline = SelfImprovingCoTPipeline(
        reason_agent=ChatAgent("You are a careful reasoner.", model=model()),
        problems=[{"problem": question} for question in QUESTIONS],
        max_iterations=0,
        batch_size=CONCURRENCY,
        max_workers=CONCURRENCY,
    )
    measured(lambda: sum("391" in row["final_trace"] for row in pipeline.generate()))


if __name__ == "__main__":
    main()

"""distilabel: a pipeline that loads instructions and generates one text for each."""

from measure import arguments, measured
from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration


def main():
    url, questions, concurrency = arguments()
    with Pipeline(name="bench") as pipeline:
        load = LoadDataFromDicts(
            data=[{"instruction": question} for question in questions], batch_size=concurrency
        )
        generate = TextGeneration(
            llm=OpenAILLM(
                model="bench",
                base_url=url,
                api_key="none",
                generation_kwargs={"max_new_tokens": 1024, "temperature": 0.7},
            ),
            input_batch_size=concurrency,
        )
        load >> generate

    def work():
        rows = pipeline.run(use_cache=False)["default"]["train"]
        return sum("391" in (row or "") for row in rows["generation"])

    measured(work)


if __name__ == "__main__":
    main()

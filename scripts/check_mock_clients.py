#!/usr/bin/env python3
"""Do the providers' own Python clients understand the mock fleet?

    cargo build --release -p autodidact-testkit
    python scripts/check_mock_clients.py target/release/autodidact-testkit [--venv DIR]

Makes a throw-away environment, installs the newest `openai`, `anthropic`, `google-genai`,
`mistralai` and `ollama` from PyPI, starts the binary and drives it through each of them: chat,
streams, several answers, log-probabilities, refusals and batches. What a client parses here it
parses from the provider, so the tests that use the fleet test the real formats.

Prints a table and the versions. Ends with 1 if anything is wrong. Needs PyPI, no keys.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from importlib import metadata
from pathlib import Path

PACKAGES = ["openai", "anthropic", "google-genai", "mistralai", "ollama"]
KEY = "mock-key"
QUESTION = "What is 17 * 23?"
ANSWER = "The answer is 391."


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("binary", type=Path, help="the built autodidact-testkit")
    parser.add_argument("--venv", type=Path, help="environment to make or to use again")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.binary.exists():
        parser.error(f"{args.binary} does not exist; build it first")
    return args


def inside_venv(args):
    """Runs this script again with the clients installed."""
    with tempfile.TemporaryDirectory() as temporary:
        home = args.venv or Path(temporary) / "venv"
        python = home / "bin" / "python"
        if not python.exists():
            venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        command = [python, __file__, str(args.binary.resolve()), "--inside"]
        return subprocess.run(command, check=False).returncode


class Fleet:
    """The running binary; every model is always right, so that answers can be compared."""

    def __init__(self, binary):
        options = ["serve", "--port", "0", "--key", KEY, "--accuracy", "=1", "--batch-seconds", "0.3"]
        self.process = subprocess.Popen([binary, *options], stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if line.startswith("ready "):
                self.url = line.split()[1]
                return
        raise SystemExit("the mock fleet did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Table:
    def __init__(self):
        self.rows = []

    def check(self, client, what, run):
        """Runs one check, which returns what it saw or raises."""
        try:
            self.rows.append((client, what, True, str(run())))
        except Exception as error:  # noqa: BLE001  (whatever a client raises is a mismatch)
            self.rows.append((client, what, False, f"{type(error).__name__}: {error}"))

    def show(self):
        for client, what, right, seen in self.rows:
            seen = " ".join(seen.split())[: 100 if right else 2000]
            print(f"{client:10} {what:28} {'ok' if right else 'WRONG':6} {seen}")
        wrong = sum(not right for _, _, right, _ in self.rows)
        print(f"{len(self.rows)} checks, {wrong} wrong")
        return wrong


def expect(condition, seen):
    if not condition:
        raise AssertionError(f"saw {seen!r}")
    return seen


def refuses(error, call, status):
    """That the call raises this error with this status."""
    try:
        seen = call()
    except error as raised:
        code = getattr(raised, "status_code", None) or getattr(raised, "code", None)
        return expect(code == status, f"{type(raised).__name__} {code}")
    raise AssertionError(f"not refused: {seen!r}")


def wait_for(read, done):
    import time

    for _ in range(50):
        seen = read()
        if done(seen):
            return seen
        time.sleep(0.1)
    raise AssertionError(f"not done: {seen!r}")


def check_openai(table, url):
    import io
    import json

    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0)
    wrong_key = openai.OpenAI(base_url=f"{url}/v1", api_key="other", max_retries=0)
    ask = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": QUESTION}]}

    def chat(**more):
        return client.chat.completions.create(**ask, **more)

    def whole():
        reply = chat(seed=1)
        expect(reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens, reply.usage)
        choice = reply.choices[0]
        return expect(choice.finish_reason == "stop" and choice.message.content.endswith(ANSWER), choice.message.content)

    def several():
        texts = [choice.message.content for choice in chat(n=5, seed=1).choices]
        return f"{len(set(expect(len(texts) == 5, texts)))} of 5 differ"

    def logprobs():
        choice = chat(logprobs=True, top_logprobs=2, seed=1).choices[0]
        tokens = choice.logprobs.content
        expect("".join(t.token for t in tokens) == choice.message.content, tokens)
        expect(all(t.logprob <= 0 and len(t.top_logprobs) == 2 for t in tokens), tokens)
        return f"{len(tokens)} tokens"

    def stream():
        texts, usage, reasons = ["", ""], None, set()
        for chunk in chat(stream=True, n=2, seed=3, stream_options={"include_usage": True}):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
                reasons.add(choice.finish_reason)
        expect(texts == [c.message.content for c in chat(n=2, seed=3).choices], texts)
        expect(reasons == {None, "stop"}, reasons)
        return expect(usage.completion_tokens > 0, usage) and f"{usage.completion_tokens} tokens"

    def length():
        reply = chat(max_tokens=3)
        return expect(reply.choices[0].finish_reason == "length", reply.choices[0].message.content)

    def completion():
        reply = client.completions.create(
            model="mock-base", prompt=["Q: What is 2 + 2?\nA:", "Q: What is 3 + 3?\nA:"], max_tokens=99, n=2, logprobs=1
        )
        ends = [choice.text.endswith(f"The answer is {4 if choice.index < 2 else 6}.") for choice in reply.choices]
        expect(ends == [True] * 4, reply.choices)
        return expect(len(reply.choices[0].logprobs.tokens) > 3, reply) and "prompt-major"

    def batch():
        lines = [("ok-1", ask), ("ok-2", ask), ("fail-1", ask), ("expire-1", ask), ("bad-1", {**ask, "n": 0})]
        text = "".join(
            json.dumps({"custom_id": i, "method": "POST", "url": "/v1/chat/completions", "body": b}) + "\n"
            for i, b in lines
        )
        file = client.files.create(file=("in.jsonl", io.BytesIO(text.encode())), purpose="batch")
        job = client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        expect(job.status == "in_progress", job)
        job = wait_for(lambda: client.batches.retrieve(job.id), lambda job: job.status != "in_progress")
        expect((job.status, job.request_counts.completed, job.request_counts.failed) == ("expired", 2, 3), job)
        right = [json.loads(line) for line in client.files.content(job.output_file_id).text.splitlines()]
        wrong = [json.loads(line) for line in client.files.content(job.error_file_id).text.splitlines()]
        expect({line["custom_id"] for line in right} == {"ok-1", "ok-2"}, right)
        statuses = {line["custom_id"]: (line["response"] or {}).get("status_code") for line in wrong}
        return expect(statuses == {"fail-1": 500, "expire-1": None, "bad-1": 400}, statuses)

    def refused(error, status, fault):
        return lambda: refuses(error, lambda: chat(extra_headers={"x-testkit-fault": fault}), status)

    def reward():
        reply = client.chat.completions.create(
            model="nvidia/nemotron-4-340b-reward",
            messages=[*ask["messages"], {"role": "assistant", "content": ANSWER}],
        )
        scores = {entry.token: entry.logprob for entry in reply.choices[0].logprobs.content}
        return expect(len(scores) == 5 and scores["helpfulness"] >= 3, scores)

    table.check("openai", "chat", whole)
    table.check("openai", "n", several)
    table.check("openai", "logprobs", logprobs)
    table.check("openai", "stream, n, usage", stream)
    table.check("openai", "length", length)
    table.check("openai", "completions", completion)
    table.check("openai", "models", lambda: len(client.models.list().data))
    table.check("openai", "batch", batch)
    table.check("openai", "reward", reward)
    table.check("openai", "AuthenticationError", lambda: refuses(
        openai.AuthenticationError, lambda: wrong_key.models.list(), 401))
    table.check("openai", "RateLimitError", refused(openai.RateLimitError, 429, "rate429"))
    table.check("openai", "money is a RateLimitError", refused(openai.RateLimitError, 429, "money"))
    table.check("openai", "InternalServerError", refused(openai.InternalServerError, 503, "overloaded"))
    table.check("openai", "BadRequestError", lambda: refuses(
        openai.BadRequestError, lambda: chat(extra_body={"top_k": 5}), 400))
    table.check("openai", "NotFoundError", lambda: refuses(
        openai.NotFoundError, lambda: client.batches.retrieve("batch_none"), 404))
    table.check("openai", "cut answer", lambda: refuses_any(
        (openai.APIConnectionError, Exception), lambda: chat(extra_headers={"x-testkit-fault": "truncated"})))


def refuses_any(errors, call):
    """That the call does not return."""
    try:
        seen = call()
    except errors as raised:
        return type(raised).__name__
    raise AssertionError(f"not refused: {seen!r}")


def check_anthropic(table, url):
    import anthropic

    client = anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0)
    wrong_key = anthropic.Anthropic(base_url=url, api_key="other", max_retries=0)
    ask = {"model": "claude-sonnet-4-6", "max_tokens": 2048, "messages": [{"role": "user", "content": QUESTION}]}

    def send(**more):
        return client.messages.create(**{**ask, **more})

    def whole():
        reply = send(system="Be short.")
        return expect(
            reply.stop_reason == "end_turn" and reply.content[0].text.endswith(ANSWER), reply.content[0].text
        )

    def thinking():
        blocks = send(thinking={"type": "enabled", "budget_tokens": 1024}).content
        return expect([block.type for block in blocks] == ["thinking", "text"], blocks) and "thinking, text"

    def stream():
        with client.messages.stream(**ask, thinking={"type": "enabled", "budget_tokens": 1024}) as events:
            reply = events.get_final_message()
        expect(reply.content[1].text.endswith(ANSWER) and reply.stop_reason == "end_turn", reply)
        expect(reply.content[0].type == "thinking" and reply.content[0].signature, reply)
        return f"{reply.usage.output_tokens} tokens"

    def cache():
        system = [{"type": "text", "text": "Solve it. " * 50, "cache_control": {"type": "ephemeral"}}]
        first, second = send(system=system).usage, send(system=system).usage
        expect(first.cache_creation_input_tokens > 0 and first.cache_read_input_tokens == 0, first)
        return expect(second.cache_read_input_tokens == first.cache_creation_input_tokens, second) and "written, read"

    def stop():
        reply = send(stop_sequences=["The answer"])
        return expect((reply.stop_reason, reply.stop_sequence) == ("stop_sequence", "The answer"), reply.stop_reason)

    def batch():
        ids = ["ok-1", "ok-2", "fail-1", "expire-1"]
        job = client.messages.batches.create(requests=[{"custom_id": i, "params": ask} for i in ids])
        expect(job.processing_status == "in_progress" and job.request_counts.processing == 4, job)
        job = wait_for(
            lambda: client.messages.batches.retrieve(job.id), lambda job: job.processing_status == "ended"
        )
        seen = {line.custom_id: line.result.type for line in client.messages.batches.results(job.id)}
        expected = {"ok-1": "succeeded", "ok-2": "succeeded", "fail-1": "errored", "expire-1": "expired"}
        return expect(seen == expected, seen)

    def refused(error, status, fault):
        return lambda: refuses(error, lambda: send(extra_headers={"x-testkit-fault": fault}), status)

    prefill = [*ask["messages"], {"role": "assistant", "content": "Let"}]
    table.check("anthropic", "messages", whole)
    table.check("anthropic", "thinking", thinking)
    table.check("anthropic", "stream with thinking", stream)
    table.check("anthropic", "cache", cache)
    table.check("anthropic", "stop_sequence", stop)
    table.check("anthropic", "prefill of 4.5", lambda: send(model="claude-haiku-4-5", messages=prefill).stop_reason)
    table.check("anthropic", "prefill of 4.6", lambda: refuses(
        anthropic.BadRequestError, lambda: send(messages=prefill), 400))
    table.check("anthropic", "models", lambda: len(client.models.list().data))
    table.check("anthropic", "batch", batch)
    table.check("anthropic", "AuthenticationError", lambda: refuses(
        anthropic.AuthenticationError, lambda: wrong_key.messages.create(**ask), 401))
    table.check("anthropic", "RateLimitError", refused(anthropic.RateLimitError, 429, "rate429"))
    table.check("anthropic", "overloaded", refused(anthropic.InternalServerError, 529, "overloaded"))
    table.check("anthropic", "money", refused(anthropic.APIStatusError, 402, "money"))


def check_gemini(table, url):
    from google import genai
    from google.genai import errors, types

    def open_client(key):
        return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=url))

    client, wrong_key = open_client(KEY), open_client("other")
    model = "gemini-2.5-flash"

    def generate(client=client, headers=None, **config):
        options = types.GenerateContentConfig(
            http_options=types.HttpOptions(headers=headers) if headers else None, **config
        )
        return client.models.generate_content(model=model, contents=QUESTION, config=options)

    def whole():
        reply = generate(system_instruction="Be short.", seed=1, temperature=0.5)
        expect(reply.candidates[0].finish_reason.name == "STOP", reply)
        return expect(reply.text.endswith(ANSWER), reply.text)

    def several():
        return expect(len(generate(candidate_count=3).candidates) == 3, "candidates") and 3

    def logprobs():
        reply = generate(response_logprobs=True, logprobs=1, seed=1)
        chosen = reply.candidates[0].logprobs_result.chosen_candidates
        return expect("".join(t.token for t in chosen) == reply.text, chosen) and f"{len(chosen)} tokens"

    def thoughts():
        thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=64)
        reply = generate(thinking_config=thinking)
        parts = reply.candidates[0].content.parts
        expect(parts[0].thought and reply.usage_metadata.thoughts_token_count > 0, parts)
        return expect(reply.text.endswith(ANSWER), reply.text) and "thought, text"

    def stream():
        chunks = list(client.models.generate_content_stream(model=model, contents=QUESTION))
        text = "".join(chunk.text or "" for chunk in chunks)
        expect(chunks[-1].candidates[0].finish_reason.name == "STOP", chunks[-1])
        return expect(text.endswith(ANSWER) and chunks[-1].usage_metadata.total_token_count > 0, text)

    def batch():
        requests = [
            {"contents": [{"parts": [{"text": QUESTION}], "role": "user"}], "metadata": {"key": key}}
            for key in ("ok-1", "fail-1")
        ]
        job = client.batches.create(model=model, src=requests)
        job = wait_for(lambda: client.batches.get(name=job.name), lambda job: job.state.name == "JOB_STATE_SUCCEEDED")
        first, second = job.dest.inlined_responses
        expect(first.response.text.endswith(ANSWER) and second.error is not None, job.dest)
        return "in order, one error"

    def refused(error, status, fault):
        return lambda: refuses(error, lambda: generate(headers={"x-testkit-fault": fault}), status)

    table.check("gemini", "generateContent", whole)
    table.check("gemini", "candidateCount", several)
    table.check("gemini", "logprobs", logprobs)
    table.check("gemini", "thoughts", thoughts)
    table.check("gemini", "stream", stream)
    table.check("gemini", "countTokens", lambda: client.models.count_tokens(model=model, contents=QUESTION).total_tokens)
    table.check("gemini", "batch", batch)
    table.check("gemini", "wrong key is a 400", lambda: refuses(
        errors.ClientError, lambda: generate(client=wrong_key), 400))
    table.check("gemini", "rate limit", refused(errors.ClientError, 429, "rate429"))
    table.check("gemini", "overloaded", refused(errors.ServerError, 503, "overloaded"))


def check_mistral(table, url):
    try:
        from mistralai import Mistral
    except ImportError:
        from mistralai.client import Mistral

    client = Mistral(api_key=KEY, server_url=url)
    wrong_key = Mistral(api_key="other", server_url=url)
    ask = {"model": "mistral-small-latest", "messages": [{"role": "user", "content": QUESTION}]}

    def whole():
        choice = client.chat.complete(**ask, random_seed=1).choices[0]
        return expect(choice.finish_reason == "stop" and choice.message.content.endswith(ANSWER), choice)

    def prefix():
        messages = [*ask["messages"], {"role": "assistant", "content": "Well, ", "prefix": True}]
        text = client.chat.complete(model=ask["model"], messages=messages).choices[0].message.content
        return expect(text.startswith("Well, "), text)

    def stream():
        text, usage = "", None
        for event in client.chat.stream(**ask, random_seed=1):
            text += event.data.choices[0].delta.content or ""
            usage = event.data.usage or usage
        return expect(text.endswith(ANSWER) and usage.completion_tokens > 0, text)

    def batch(inline):
        import json

        lines = [{"custom_id": i, "body": {"messages": ask["messages"]}} for i in ("ok-1", "fail-1")]
        if inline:
            source = {"requests": lines}
        else:
            text = "".join(json.dumps(line) + "\n" for line in lines)
            file = client.files.upload(file={"file_name": "in.jsonl", "content": text.encode()}, purpose="batch")
            source = {"input_files": [file.id]}
        job = client.batch.jobs.create(model=ask["model"], endpoint="/v1/chat/completions", **source)
        job = wait_for(lambda: client.batch.jobs.get(job_id=job.id), lambda job: job.status == "SUCCESS")
        expect((job.succeeded_requests, job.failed_requests) == (1, 1), job)
        if inline:
            return expect({line["custom_id"] for line in job.outputs} == {"ok-1", "fail-1"}, job.outputs)
        content = client.files.download(file_id=job.output_file).read().decode()
        return expect(json.loads(content)["custom_id"] == "ok-1", content) and "two files"

    def fails(call, status):
        try:
            seen = call()
        except Exception as error:  # noqa: BLE001  (the class has had three names)
            code = getattr(error, "status_code", None)
            return expect(code == status, f"{type(error).__name__} {code}: {error}")
        raise AssertionError(f"not refused: {seen!r}")

    def fault(name):
        return lambda: client.chat.complete(**ask, http_headers={"x-testkit-fault": name})

    def seed():
        import json
        import urllib.error
        import urllib.request

        body = json.dumps({**ask, "seed": 1}).encode()
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        try:
            urllib.request.urlopen(urllib.request.Request(f"{url}/v1/chat/completions", body, headers))
        except urllib.error.HTTPError as error:
            return expect(error.code == 422, error.code)
        raise AssertionError("the seed was taken")

    table.check("mistral", "chat", whole)
    table.check("mistral", "n", lambda: len(client.chat.complete(**ask, n=3).choices))
    table.check("mistral", "prefix", prefix)
    table.check("mistral", "stream", stream)
    table.check("mistral", "batch, files", lambda: batch(False))
    table.check("mistral", "batch, inline", lambda: batch(True))
    table.check("mistral", "seed is refused", seed)
    table.check("mistral", "wrong key", lambda: fails(lambda: wrong_key.chat.complete(**ask), 401))
    table.check("mistral", "rate limit", lambda: fails(fault("rate429"), 429))


def check_ollama(table, url):
    import ollama

    client = ollama.Client(host=url)
    messages = [{"role": "user", "content": QUESTION}]

    def whole():
        reply = client.chat(model="llama3.2:1b", messages=messages, options={"seed": 1})
        return expect(reply.done_reason == "stop" and reply.message.content.endswith(ANSWER), reply.message.content)

    def stream():
        parts = list(client.chat(model="llama3.2:1b", messages=messages, stream=True, think=True))
        expect(any(part.message.thinking for part in parts), parts)
        text = "".join(part.message.content for part in parts)
        return expect(text.endswith(ANSWER) and parts[-1].done and parts[-1].eval_count > 0, text)

    def generate():
        reply = client.generate(model="mock", prompt=QUESTION, options={"num_predict": 3})
        return expect(reply.done_reason == "length" and reply.prompt_eval_count > 0, reply)  and reply.response

    table.check("ollama", "chat", whole)
    table.check("ollama", "stream with thinking", stream)
    table.check("ollama", "generate, length", generate)
    table.check("ollama", "list", lambda: len(client.list().models))
    table.check("ollama", "no such model", lambda: refuses(
        ollama.ResponseError, lambda: client.chat(model="no-such", messages=messages), 404))


def main():
    args = arguments()
    if not args.inside:
        return inside_venv(args)
    # A proxy would get what is meant for this computer.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    table = Table()
    with Fleet(args.binary) as fleet:
        for check in (check_openai, check_anthropic, check_gemini, check_mistral, check_ollama):
            check(table, fleet.url)
    wrong = table.show()
    print(", ".join(f"{package} {metadata.version(package)}" for package in PACKAGES))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

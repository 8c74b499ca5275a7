"""Asks a real llama.cpp server, which serves a real GGUF file, through `autodidact ask` and `sample`.

llama.cpp's own HTTP server comes with the PyPI package `xllamacpp` (a prebuilt llama.cpp), so nothing
is compiled. Run it in the environment of scripts/README.md:

    python scripts/check_llama_server.py --model MODEL.gguf --autodidact target/release/autodidact
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import xllamacpp

ENSEMBLE = """
strategy = "vote"
max_tokens = 48
[[models]]
name = "served"
provider = "llama-server"
model = "smollm2"
base_url = "{url}/v1"
samples = 2
stream = {stream}
[[models]]
name = "embedded"
provider = "local"
model = "{model}"
samples = 2
"""


def serve(model):
    """Starts llama.cpp's server on a free port of the loopback."""
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 4096
    params.n_parallel = 4
    params.cpuparams.n_threads = 2
    return xllamacpp.Server(params)


def run(command, directory):
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nexit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return json.loads(done.stdout)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--model", required=True)
    arguments.add_argument("--autodidact", required=True)
    options = arguments.parse_args()
    model = str(pathlib.Path(options.model).resolve())
    autodidact = str(pathlib.Path(options.autodidact).resolve())
    server = serve(model)
    url = server.listening_address.rstrip("/")
    failures = 0

    def check(what, good, shown=""):
        nonlocal failures
        failures += not good
        print(f"{'ok  ' if good else 'FAIL'} {what} {shown}")

    with tempfile.TemporaryDirectory() as directory:
        for stream in ("false", "true"):
            config = pathlib.Path(directory, f"ensemble-{stream}.toml")
            config.write_text(ENSEMBLE.format(url=url, stream=stream, model=model))
            asked = run(
                [autodidact, "ask", "What is 2 + 3?", "--config", str(config), "--output", "json",
                 "--name", f"ask-{stream}"],
                directory,
            )
            texts = {}
            for answer in asked["answers"]:
                texts.setdefault(answer["model"], []).append(answer["text"])
            check(f"stream = {stream}: two answers of the server", len(texts.get("served", [])) == 2)
            check(f"stream = {stream}: two of the engine", len(texts.get("embedded", [])) == 2)
            check(f"stream = {stream}: texts", all(t for ts in texts.values() for t in ts),
                  repr(texts["served"][0][:60]))
        data = pathlib.Path(directory, "problems.jsonl")
        rows = [{"question": f"What is {i} + {i + 1}?", "answer": str(2 * i + 1)} for i in range(12)]
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        summary = run(
            [autodidact, "sample", str(data), "--config", str(pathlib.Path(directory, "ensemble-false.toml")),
             "--output", "json"],
            directory,
        )
        check("sample: all problems answered", summary["answered"] == 12, f"{summary['answered']} of 12")
        by_model = {m["model"]: m for m in summary["models"]}
        for name in ("served", "embedded"):
            model_summary = by_model[name]
            check(f"sample: answers of {name}", model_summary["answers"] == 24,
                  f"{model_summary['answers']}, {model_summary['right']} right, cost {model_summary['cost_usd']}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()

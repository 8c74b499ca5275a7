"""Scores answers with a real sequence-classification head behind a real server, through `judge`.

The model is a tiny random BERT with one label, made here; the server is `infinity-emb` from PyPI, which
serves it at /v1/rerank. What is shown is the interface, not the quality of a random head: every score
that `judge` writes is the one that transformers computes for the same pair.

    pip install "infinity-emb[server,torch]" transformers torch tokenizers
    python scripts/check_classifier_server.py --autodidact target/release/autodidact
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

QUESTION = "What is 17 * 23?"
ANSWERS = ["The answer is 391.", "17 times 20 is 340", "The answer is 340.", "What is 391?"]
JUDGE = """
[[judges]]
name = "head"
provider = "llama-server"
kind = "rerank"
model = "{model}"
base_url = "{url}/v1"
"""
# infinity-emb calls a method that newer tokenizers no longer have.
SERVER = """
import sys, transformers
transformers.PreTrainedTokenizerBase.batch_encode_plus = lambda self, *a, **k: self(*a, **k)
sys.argv = ["infinity_emb", "v2"] + sys.argv[1:]
from infinity_emb.cli import cli
cli()
"""


def make_model(directory):
    """A BERT with random weights and one label."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    special = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(special)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=special)
    tokenizer.train_from_iterator([QUESTION, *ANSWERS], trainer)
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]",
             "mask_token": "[MASK]"}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=200, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, num_labels=1, max_position_embeddings=128, initializer_range=0.5,
    )
    model = transformers.BertForSequenceClassification(config).eval()
    fast.save_pretrained(directory)
    model.save_pretrained(directory)
    with torch.no_grad():
        pairs = fast([QUESTION] * len(ANSWERS), ANSWERS, padding=True, return_tensors="pt")
        return torch.sigmoid(model(**pairs).logits[:, 0]).tolist()


def wait(url):
    for _ in range(120):
        try:
            return json.load(urllib.request.urlopen(f"{url}/v1/models", timeout=2))["data"][0]["id"]
        except OSError:
            time.sleep(1)
    sys.exit("the server did not come up")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--autodidact", required=True)
    arguments.add_argument("--port", type=int, default=8701)
    options = arguments.parse_args()
    autodidact = str(pathlib.Path(options.autodidact).resolve())
    url = f"http://127.0.0.1:{options.port}"
    with tempfile.TemporaryDirectory() as directory:
        expected = make_model(f"{directory}/model")
        command = [sys.executable, "-c", SERVER, "--model-id", f"{directory}/model", "--port",
                   str(options.port), "--host", "127.0.0.1", "--engine", "torch", "--url-prefix", "/v1",
                   "--device", "cpu"]
        log = open(f"{directory}/server.log", "w")
        # Its fast path is for library versions of before.
        plain = {**os.environ, "INFINITY_BETTERTRANSFORMER": "0"}
        server = subprocess.Popen(command, stdout=log, stderr=log, env=plain)
        try:
            model = wait(url)
            config = pathlib.Path(directory, "judge.toml")
            config.write_text(JUDGE.format(model=model, url=url))
            rows = [{"question": QUESTION, "completion": answer} for answer in ANSWERS]
            data = pathlib.Path(directory, "answers.jsonl")
            data.write_text("".join(json.dumps(row) + "\n" for row in rows))
            done = subprocess.run([autodidact, "judge", str(data), "--config", str(config), "--out",
                                   "scored.jsonl"], cwd=directory, capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
            lines = pathlib.Path(directory, "scored.jsonl").read_text().splitlines()
            found = [json.loads(line)["overall"] for line in lines]
        finally:
            server.terminate()
            server.wait()
    worst = max(abs(a - b) for a, b in zip(found, expected))
    print(f"{len(found)} of {len(ANSWERS)} answers scored; largest difference to transformers {worst:.1e}")
    print("spread of the scores:", ", ".join(f"{score:.3f}" for score in found))
    sys.exit(0 if len(found) == len(ANSWERS) and worst < 1e-3 and len(set(found)) > 1 else 1)


if __name__ == "__main__":
    main()

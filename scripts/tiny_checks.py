"""Independent readers of the tiny models: llama.cpp, and llama.cpp's own converter."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

from reference import LlamaCpp, fields, temporary_directory

import gguf
import numpy as np
import torch
from tiny_families import CONTEXT, VOCAB



class TableGelu(torch.nn.Module):
    """GELU as llama.cpp takes it on a CPU: the tanh form, out of a table of half floats.

    Falcon means the error function and Gemma full precision, so llama.cpp parts from transformers
    in the third digit there. With this in transformers' place the rest of the network is checked
    as closely as the others.
    """

    def forward(self, x):
        rounded = x.half().float()
        table = torch.nn.functional.gelu(rounded, approximate="tanh").half().float()
        return torch.where(x >= 10, x, torch.where(x <= -10, torch.zeros_like(x), table))


def with_table_gelu(model):
    for block in model.modules():
        for name in ("act", "act_fn"):
            if isinstance(getattr(block, name, None), torch.nn.Module):
                setattr(block, name, TableGelu())
    return model


def check_llama_cpp(family, model, adapter, ids, base, lora, tolerance):
    """Largest difference of log probabilities at every position, without and with the adapter."""
    try:
        import xllamacpp  # noqa: F401
    except ImportError:
        return "not installed"
    found = {"positions": 0}
    for label, path, want in (("base", None, base), ("lora", adapter, lora)):
        peer = LlamaCpp(model, path, context=CONTEXT)
        worst = 0.0
        for n in range(1, len(ids) + 1):
            got = peer.log_probabilities(ids[:n], VOCAB)
            if got is None:
                continue
            assert len(got) == VOCAB
            worst = max(worst, max(abs(v - float(want[n - 1][i])) for i, v in got.items()))
            found["positions"] += 1
        found[label] = float(f"{worst:.1e}")
        assert math.isfinite(worst) and worst < tolerance, (family.name, label, worst)
    assert found["positions"] >= 2 * (len(ids) - 3)
    return found


def check_converter(family, directory, sources):
    """llama.cpp's converter on the Hugging Face directory: same tensors, same metadata."""
    with temporary_directory() as scratch:
        path, source = Path(scratch) / "converted.gguf", Path(scratch) / "source"
        shutil.copytree(directory / "huggingface", source)
        config = json.loads((source / "config.json").read_text())
        if config.get("multi_query") and not config["new_decoder_architecture"]:
            # transformers writes the number of query heads here and means one; the converter
            # takes the number as it stands.
            (source / "config.json").write_text(json.dumps(config | {"num_kv_heads": 1}))
        # The vocabulary is ours: the converter cannot know the hash of its pre-tokenizer, and where
        # it insists on SentencePiece it gets the byte-level one as well.
        program = (
            "import sys, runpy; sys.path.insert(0, sys.argv[1] + '/gguf-py'); sys.path.insert(0, sys.argv[1]);"
            "import conversion.base as base;"
            "base.TextModel.get_vocab_base_pre = lambda self, tokenizer: 'smollm';"
            "base.TextModel._set_vocab_sentencepiece = base.TextModel._set_vocab_gpt2;"
            "script = sys.argv[1] + '/convert_hf_to_gguf.py'; sys.argv = [script] + sys.argv[2:];"
            "runpy.run_path(script, run_name='__main__')"
        )
        command = [sys.executable, "-c", program, str(sources), str(source)]
        run = subprocess.run(
            command + ["--outfile", str(path), "--outtype", "f32"], capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr[-3000:]
        compare_files(family, path, directory / "model.gguf")


def compare_files(family, theirs, ours):
    read = lambda path: {t.name: np.array(t.data) for t in gguf.GGUFReader(str(path)).tensors}  # noqa: E731
    their_tensors, our_tensors = read(theirs), read(ours)
    assert their_tensors.keys() == our_tensors.keys(), their_tensors.keys() ^ our_tensors.keys()
    for name, values in their_tensors.items():
        assert values.dtype == np.float32 and np.array_equal(values, our_tensors[name]), name
    their_keys, our_keys = fields(theirs), fields(ours)
    prefix = family.architecture + "."
    differing = {}
    for key in sorted(set(their_keys) | set(our_keys)):
        if key.startswith((prefix, "general.architecture", "tokenizer.ggml.tokens")):
            pair = their_keys.get(key), our_keys.get(key)
            if pair[0] != pair[1]:
                differing[key] = pair
    print(f"   llama.cpp's converter: {len(their_tensors)} tensors equal; metadata that differs: {differing}")

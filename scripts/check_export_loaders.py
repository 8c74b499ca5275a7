#!/usr/bin/env python3
"""Do the training programs themselves load the exports that are made for them?

    cargo build --release
    python scripts/check_export_loaders.py [--autodidact target/release/autodidact] [--venvs DIR]
                                           [--only mlx,llama-factory,axolotl]

Exports the two small runs of `check_exports.py` and hands every folder to the code with which a program
reads its training data, in an environment of the program's own:

* MLX-LM (PyPI `mlx-lm`, on the processor): `load_local_dataset`, and every row through its tokenizer;
* LLaMA-Factory (PyPI `llamafactory`): the registry entry of `dataset_info.json`, its converter, and the
  encoding of every turn by a template;
* Axolotl (PyPI `axolotl`): the strategy that `axolotl.yaml` names, on every row.

No weights are needed and nothing is trained. Each is several gigabytes, since they bring a training
stack. A program that cannot be installed is left out, with the reason. Ends with 1 if anything is wrong.
"""

import argparse
import importlib.machinery
import json
import os
import subprocess
import sys
import tempfile
import types
import venv
from pathlib import Path

from check_exports import FAILURES, ROOT, check, export_all, make_run

PACKAGES = {
    "mlx": ["mlx-lm", "mlx[cpu]"],
    "llama-factory": ["llamafactory"],
    "axolotl": ["axolotl"],
}


def rows_of(folder, name="train.jsonl"):
    return sum(1 for line in (folder / name).read_text(encoding="utf-8").splitlines() if line)


def tokenizer():
    """A tokenizer of single bytes with a plain chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate(["<pad>", "<s>", "</s>"])}
    for symbol in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocabulary[symbol] = len(vocabulary)
    bare = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=bare, pad_token="<pad>", bos_token="<s>", eos_token="</s>", model_max_length=4096
    )
    made.chat_template = (
        "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}</s>{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    return made


def check_mlx(work, folders):
    from mlx_lm.tuner.datasets import load_local_dataset

    words = tokenizer()
    for folder in folders:
        settings = types.SimpleNamespace(mask_prompt=True)
        train, valid, _ = load_local_dataset(work / folder, words, settings)
        counts = (len(train), len(valid))
        expected = (rows_of(work / folder), rows_of(work / folder, "valid.jsonl"))
        encoded = [train.process(train[i]) for i in range(len(train))]
        # The second of a pair says how many tokens are the prompt's.
        whole = all(0 < offset < len(tokens) for tokens, offset in encoded)
        check(f"MLX-LM loads {folder}", counts == expected and whole, f"{counts}, {len(encoded[0][0])} tokens")


def check_llama_factory(work, folders):
    try:
        import torchaudio  # noqa: F401
    except Exception:  # noqa: BLE001
        # It is for sound, which no export holds, and PyPI's lags behind torch: an empty module does.
        sys.modules["torchaudio"] = types.ModuleType("torchaudio")
        sys.modules["torchaudio"].__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
    from llamafactory.data.loader import _load_single_dataset
    from llamafactory.data.parser import get_dataset_list
    from llamafactory.data.template import get_template_and_fix_tokenizer
    from llamafactory.hparams import DataArguments, ModelArguments
    from transformers import Seq2SeqTrainingArguments

    words = tokenizer()
    for folder in folders:
        (name,) = json.loads((work / folder / "dataset_info.json").read_text(encoding="utf-8"))
        data = DataArguments(dataset=name, dataset_dir=str(work / folder), template="default", preprocessing_num_workers=1)
        model = ModelArguments(model_name_or_path=str(work), cache_dir=str(work / "cache"))
        training = Seq2SeqTrainingArguments(output_dir=str(work / "out"), use_cpu=True, report_to=[])
        (attributes,) = get_dataset_list([name], str(work / folder))
        loaded = _load_single_dataset(attributes, model, data, training)
        template = get_template_and_fix_tokenizer(words, data)
        rows = 0
        for row in loaded:
            # Two answers for pairs; for KTO the second is empty, or the first.
            answers = [answer for answer in row["_response"] if answer["content"]]
            encoded = [template.encode_oneturn(words, row["_prompt"] + [answer], row["_system"]) for answer in answers]
            rows += bool(encoded) and all(prompt and answer for prompt, answer in encoded)
        check(f"LLaMA-Factory loads {folder}", rows == rows_of(work / folder), f"{rows} rows as {attributes.formatting}")


def check_axolotl(work, folders):
    import yaml
    from axolotl.utils.dict import DictDefault
    from datasets import load_dataset

    words = tokenizer()
    for folder in folders:
        config = DictDefault(yaml.safe_load((work / folder / "axolotl.yaml").read_text(encoding="utf-8")))
        config.sequence_len, config.train_on_inputs, config.chat_template = 4096, False, "tokenizer_default"
        wanted = config.datasets[0]
        data = load_dataset("json", data_files=str(work / folder / wanted.path), split="train")
        rows = 0
        if config.rl:
            from axolotl.prompt_strategies import dpo, kto

            load = {"dpo": dpo.load, "kto": kto.load}[config.rl]
            transform = load(wanted.type, config, dataset_idx=0)
            transform = transform[0] if isinstance(transform, tuple) else transform
            for row in data:
                made = transform(dict(row), tokenizer=words) if config.rl == "dpo" else transform(dict(row))
                answers = [made[key] for key in ("chosen", "rejected", "completion") if key in made]
                rows += bool(made["prompt"]) and bool(answers) and all(answers)
        else:
            from axolotl.prompt_strategies import load

            strategy = load(wanted.type, words, config, wanted)
            for row in data:
                made = strategy.tokenize_prompt(dict(row))
                learned = [label for label in made["labels"] if label != -100]
                rows += 0 < len(learned) < len(made["input_ids"])
        check(f"Axolotl loads {folder}", rows == len(data) == rows_of(work / folder), f"{rows} rows as {wanted.type}")


CHECKS = {"mlx": check_mlx, "llama-factory": check_llama_factory, "axolotl": check_axolotl}


def inside(program, work):
    folders = json.loads((work / "folders.json").read_text(encoding="utf-8"))
    every = [folder for list_of in folders.values() for folder in list_of if folder.endswith(f"-{program}")]
    try:
        CHECKS[program](work, every)
    except Exception as error:  # noqa: BLE001  (any trouble of a loader is a finding)
        check(f"{program} loads its exports", False, f"{type(error).__name__}: {error}"[:600])
    return 1 if FAILURES else 0


def python_of(program, venvs):
    python = venvs / program / "bin/python"
    if not python.exists():
        print(f"making an environment for {program}", flush=True)
        venv.create(venvs / program, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "tokenizers", "transformers", *PACKAGES[program]]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        print(f"left out: {program}, which cannot be installed here: {done.stderr.strip()[-300:]}")
        return None
    return python


def outside(given):
    binary = given.autodidact.resolve()
    if not binary.exists():
        sys.exit(f"there is no {binary}; build it, or give --autodidact")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary) / "work"
        work.mkdir()
        folders = {}
        for name, prompt in (("text", ""), ("chat", 'prompt = "chat"')):
            make_run(work, name, prompt, binary)
            folders[name] = export_all(work, name, binary)
        (work / "folders.json").write_text(json.dumps(folders), encoding="utf-8")
        variables = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(work / "hf"), "CUDA_VISIBLE_DEVICES": ""}
        failed = 0
        for program in given.only.split(","):
            python = python_of(program, given.venvs or Path(temporary))
            if python:
                command = [str(python), __file__, "--inside", program, str(work)]
                failed += subprocess.run(command, env=variables).returncode != 0
        print(f"{failed} programs failed" if failed else "all passed")
        return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--autodidact", type=Path, default=ROOT / "target/release/autodidact")
    parser.add_argument("--venvs", type=Path, help="where environments are made, or used again")
    parser.add_argument("--only", default=",".join(PACKAGES))
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    return inside(given.inside[0], Path(given.inside[1])) if given.inside else outside(given)


if __name__ == "__main__":
    sys.exit(main())

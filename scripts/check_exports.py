#!/usr/bin/env python3
"""Do the programs that exports are made for read them?

    cargo build --release
    python scripts/check_exports.py [--autodidact target/release/autodidact] [--venv DIR] [--light]

Makes two small runs with the tiny model of the engine's tests (one student asked in text, one that
converses), exports everything in every format, and then, in a virtual environment of its own:

* `datasets` loads every folder by its README, and finds as many rows as the manifest says;
* TRL trains a tiny random Llama for one step on sft, preference, kto and verifier data, in both forms;
* Together's own client checks its files;
* `huggingface_hub` reads every card, and the model card's metrics;
* `gguf` reads the merged models, and its own quantizer gives the same Q8_0 and Q4_0 blocks;
* PEFT's configuration class and safetensors read the adapter.

`--light` leaves out torch and TRL, which is several gigabytes. What is left out is said, with the
reason. Ends with 1 if anything is wrong.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TINY = ROOT / "crates/engine/tests/golden/tiny.gguf"

SPEC = """
[run]
name = "NAME"
iterations = 2
[task]
train = "train.jsonl"
evaluate = "evaluate.jsonl"
verify = "regex"
[task.prompt]
before_question = "q "
before_answer = " a"
completion_lead = " "
separator = "\\n\\n"
hint = " <{hint}>"
hint_place = "after-question"
stop = ["\\n\\n"]
[student]
model = ["MODEL"]
examples = "examples.toml"
few_shot = 1
PROMPT
[sample]
per_problem = 4
temperature = 1.2
max_tokens = 16
[rationalize]
per_problem = 2
temperature = 1.2
[select]
minimum = 1
per_problem = 3
[select.refuse]
no_reasoning = false
answer_before_derivation = false
[train]
rank = 4
steps = { first = 4, growth = 1.2 }
batch = 4
[stop]
patience = 0
"""

EXAMPLES = """
[[example]]
question = "1?"
rationale = "a b c"
answer = ".*"
"""

FORMATS = {
    "sft": "trl axolotl llama-factory mlx openai together sharegpt alpaca parquet",
    "preference": "trl axolotl llama-factory openai together sharegpt alpaca parquet",
    "kto": "trl axolotl llama-factory sharegpt alpaca parquet",
    "verifier": "trl axolotl llama-factory mlx openai together sharegpt alpaca parquet",
    "dataset": "parquet jsonl",
}

LIGHT = ["datasets", "pyarrow", "huggingface_hub", "pyyaml", "gguf", "numpy", "safetensors", "together"]
HEAVY = ["trl", "peft"]


def command(arguments, directory, binary):
    done = subprocess.run([str(binary), *arguments], cwd=directory, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"autodidact {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def make_run(directory, name, prompt, binary):
    lines = []
    for i in range(40):
        gold = [".*", ".*e.*", ".*q.*"][i % 3]
        lines.append(json.dumps({"question": f"{i} + {i}?", "answer": gold}))
    (directory / "train.jsonl").write_text("\n".join(lines[:30]) + "\n", encoding="utf-8")
    (directory / "evaluate.jsonl").write_text("\n".join(lines[30:]) + "\n", encoding="utf-8")
    (directory / "examples.toml").write_text(EXAMPLES, encoding="utf-8")
    spec = SPEC.replace("NAME", name).replace("MODEL", str(TINY)).replace("PROMPT", prompt)
    if prompt:
        # A conversation with a hint is longer than the tiny model's context.
        spec = spec.replace("[rationalize]", "[rationalize]\nenabled = false")
    (directory / f"{name}.toml").write_text(spec, encoding="utf-8")
    command(["run", f"{name}.toml"], directory, binary)


def export_all(directory, name, binary):
    folders = []
    for what, formats in FORMATS.items():
        for form in formats.split():
            out = f"{name}-{what}-{form}"
            command(["export", name, "--what", what, "--format", form, "--out", out], directory, binary)
            folders.append(out)
    return folders


def export_weights(directory, name, binary):
    print(command(["export", name, "--what", "adapter", "--out", "adapter"], directory, binary))
    for stored in ("f32", "f16", "q8_0", "q4_0"):
        arguments = ["export", name, "--what", "merged", "--store", stored, "--out", f"merged-{stored}"]
        print(command(arguments, directory, binary))
    command(["export", name, "--what", "ollama", "--out", "ollama"], directory, binary)
    command(["export", name, "--what", "ollama", "--apart", "--out", "ollama-apart"], directory, binary)


def outside(args):
    binary = args.autodidact.resolve()
    if not binary.exists():
        sys.exit(f"there is no {binary}; build it, or give --autodidact")
    with tempfile.TemporaryDirectory() as temporary:
        temporary = Path(temporary)
        environment = args.venv or temporary / "venv"
        python = environment / "bin/python"
        if not python.exists():
            print("making a virtual environment", flush=True)
            venv.create(environment, with_pip=True)
        packages = LIGHT + ([] if args.light else HEAVY)
        install = [str(python), "-m", "pip", "install", "--quiet"]
        if subprocess.run([*install, *packages]).returncode != 0:
            if args.light:
                sys.exit("the packages cannot be installed")
            print("left out: TRL and PEFT, because they (or torch) cannot be installed here")
            subprocess.run([*install, *LIGHT], check=True)
        work = temporary / "work"
        work.mkdir()
        folders = {}
        for name, prompt in (("text", ""), ("chat", 'prompt = "chat"')):
            make_run(work, name, prompt, binary)
            folders[name] = export_all(work, name, binary)
        export_weights(work, "text", binary)
        (work / "folders.json").write_text(json.dumps(folders), encoding="utf-8")
        variables = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(temporary / "hf"), "WANDB_DISABLED": "true"}
        inside_command = [str(python), __file__, "--inside", str(work)]
        return subprocess.run(inside_command, env=variables).returncode


FAILURES = []


def check(what, holds, detail=""):
    print(f"{'ok  ' if holds else 'FAIL'} {what}{': ' + detail if detail else ''}", flush=True)
    if not holds:
        FAILURES.append(what)


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def check_datasets(work, folders):
    from datasets import load_dataset

    for folder in folders:
        listed = {f["path"]: f["rows"] for f in manifest(work / folder)["files"] if f.get("rows")}
        try:
            loaded = load_dataset(str(work / folder))
            rows = sum(split.num_rows for split in loaded.values())
            splits = ", ".join(f"{name} {split.num_rows}" for name, split in loaded.items())
            check(f"datasets loads {folder}", rows == sum(listed.values()), splits)
            columns = loaded["train"].column_names
            if {"completions", "labels"} <= set(columns):
                pairs = zip(loaded["train"]["completions"], loaded["train"]["labels"])
                check(f"{folder} has a label for each step", all(len(a) == len(b) for a, b in pairs))
        except Exception as error:  # noqa: BLE001  (any trouble of a loader is a finding)
            check(f"datasets loads {folder}", False, f"{type(error).__name__}: {error}"[:400])


def check_cards(work, folders):
    from huggingface_hub import DatasetCard, ModelCard

    for folder in folders:
        card = DatasetCard.load(work / folder / "README.md")
        data = card.data.to_dict()
        known = bool(data.get("configs")) and bool(data.get("autodidact_provenance"))
        check(f"card of {folder}", known, ", ".join(data["size_categories"]))
    for folder in ("adapter", "merged-f16", "ollama", "ollama-apart"):
        card = ModelCard.load(work / folder / "README.md")
        results = {r.metric_type: r.metric_value for r in card.data.eval_results or []}
        ordered = results["accuracy_low"] <= results["accuracy"] <= results["accuracy_high"]
        check(f"card of {folder}", ordered and bool(card.data.base_model), str(results))


def check_together(work, folders):
    try:
        from together.lib.utils.files import check_file
    except ImportError:
        try:
            from together.utils.files import check_file
        except ImportError as error:
            print(f"left out: Together's own check, because its package has none here ({error})")
            return
    for folder in (f for f in folders if f.endswith("-together")):
        report = check_file(work / folder / "train.jsonl")
        check(f"together accepts {folder}", report["is_check_passed"], str(report.get("message"))[:200])


def check_gguf(work):
    import numpy
    from gguf import GGMLQuantizationType, GGUFReader, quants

    def tensors(stored):
        path = next((work / f"merged-{stored}").glob("*.gguf"))
        return {t.name: t for t in GGUFReader(path).tensors}

    exact = tensors("f32")
    for stored, kind in (("q8_0", GGMLQuantizationType.Q8_0), ("q4_0", GGMLQuantizationType.Q4_0)):
        found = {n: t for n, t in tensors(stored).items() if t.tensor_type == kind}
        differing = []
        for name, tensor in found.items():
            expected = quants.quantize(numpy.array(exact[name].data, dtype=numpy.float32), kind)
            if not numpy.array_equal(expected, tensor.data):
                differing.append(name)
        check(f"gguf quantizes to the same {stored}", found and not differing, f"{len(found)} tensors {differing[:3]}")
    half = tensors("f16")
    changed = [n for n, t in half.items() if t.tensor_type == GGMLQuantizationType.F16]
    close = all(
        numpy.array_equal(half[n].data, numpy.array(exact[n].data).astype(numpy.float16)) for n in changed
    )
    check("gguf reads the same f16", changed and close, f"{len(changed)} tensors")


def check_adapter(work):
    from safetensors import safe_open

    with safe_open(work / "adapter/adapter_model.safetensors", framework="numpy") as file:
        names = list(file.keys())
    check("safetensors reads the adapter", bool(names), f"{len(names)} tensors")
    try:
        from peft import LoraConfig
    except ImportError as error:
        print(f"left out: PEFT, because it is not installed ({error})")
        return
    config = LoraConfig.from_pretrained(str(work / "adapter"))
    check("PEFT reads the adapter's configuration", config.r == 4, f"rank {config.r}, {sorted(config.target_modules)}")


def tiny_model():
    """A random Llama with byte-level tokens and a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<s>", "</s>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
    fast.chat_template = (
        "{% for m in messages %}{{ m.role + ':' + m.content + eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
    )
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = LlamaConfig(vocab_size=len(vocabulary), max_position_embeddings=512, **shape, **special)
    return LlamaForCausalLM(config), fast, config


def trainer_of(kind):
    """TRL's trainer and configuration for a kind; some have moved to `trl.experimental`."""
    import importlib

    names = {"sft": "SFT", "preference": "DPO", "kto": "KTO", "verifier": "PRM"}
    name = names[kind]
    for module in ("trl", f"trl.experimental.{name.lower()}"):
        try:
            found = importlib.import_module(module)
            return getattr(found, f"{name}Trainer"), getattr(found, f"{name}Config")
        except (ImportError, AttributeError, RuntimeError):
            continue
    raise ImportError(f"TRL has no {name}Trainer")


def check_trl(work):
    try:
        import torch  # noqa: F401
        import trl
    except ImportError as error:
        print(f"left out: TRL, because it is not installed ({error})")
        return
    from datasets import disable_progress_bars, load_dataset
    from transformers import LlamaForTokenClassification

    disable_progress_bars()
    print(f"TRL {trl.__version__}")
    for student in ("text", "chat"):
        for kind in ("sft", "preference", "kto", "verifier"):
            for form in ("trl", "parquet"):
                folder = f"{student}-{kind}-{form}"
                try:
                    trainer_class, config_class = trainer_of(kind)
                except ImportError as error:
                    print(f"left out: training on {folder}, because {error}")
                    continue
                try:
                    model, tokenizer, config = tiny_model()
                    if kind == "verifier":
                        config.num_labels = 2
                        model = LlamaForTokenClassification(config)
                    data = load_dataset(str(work / folder), split="train").select(range(4))
                    options = {
                        "output_dir": str(work / "out"),
                        "max_steps": 1,
                        "per_device_train_batch_size": 2,
                        "report_to": [],
                        "use_cpu": True,
                        "bf16": False,
                        "disable_tqdm": True,
                        "save_strategy": "no",
                    }
                    if kind == "kto":
                        # It compares within a batch, which must not be of one label only.
                        options["per_device_train_batch_size"] = 4
                        whole = load_dataset(str(work / folder), split="train")
                        good = [i for i, label in enumerate(whole["label"]) if label][:2]
                        bad = [i for i, label in enumerate(whole["label"]) if not label][:2]
                        data = whole.select(good + bad)
                    settings = config_class(**options)
                    more = {"ref_model": tiny_model()[0]} if kind in ("preference", "kto") else {}
                    trainer = trainer_class(
                        model=model, args=settings, train_dataset=data, processing_class=tokenizer, **more
                    )
                    loss = trainer.train().training_loss
                    check(f"TRL trains on {folder}", loss == loss, f"loss {loss:.3f}")
                except Exception as error:  # noqa: BLE001
                    check(f"TRL trains on {folder}", False, f"{type(error).__name__}: {error}"[:400])


def inside(work):
    folders = json.loads((work / "folders.json").read_text(encoding="utf-8"))
    every = [folder for list_of in folders.values() for folder in list_of]
    check_datasets(work, every)
    check_cards(work, every)
    check_together(work, every)
    check_gguf(work)
    check_adapter(work)
    check_trl(work)
    for name, why in (
        ("LLaMA-Factory, Axolotl, MLX-LM", "each needs an environment of its own: check_export_loaders.py"),
        ("OpenAI", "its check is a service; rows are checked by shape in crates/export/tests/formats.rs"),
    ):
        print(f"left out: {name}, because {why}")
    print(f"{len(FAILURES)} failed" if FAILURES else "all passed")
    return 1 if FAILURES else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--autodidact", type=Path, default=ROOT / "target/release/autodidact")
    parser.add_argument("--venv", type=Path, help="a virtual environment to make, or to use again")
    parser.add_argument("--light", action="store_true", help="without torch, TRL and PEFT")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    return inside(args.inside) if args.inside else outside(args)


if __name__ == "__main__":
    sys.exit(main())

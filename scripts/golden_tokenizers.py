#!/usr/bin/env python3
"""Golden token ids of every kind of tokenizer the engine reads.

    python scripts/golden_tokenizers.py LLAMA_TOKENIZE [GEMMA.gguf] [OUT_DIR]

Two small vocabularies are trained here, one of byte-level BPE and one of SentencePiece, on a text
below. Each is written as a vocabulary-only GGUF file, once for every pre-tokenizer, and llama.cpp's
`llama-tokenize` says which tokens a list of awkward texts becomes. The byte-level one is also
written as a `tokenizer.json` with the splitting rule of transformers, the SentencePiece one as a
`tokenizer.model` and as the `tokenizer.json` that transformers converts it to; there the
`tokenizers` and `sentencepiece` packages say it.

Writes tokenizers_golden.json, tokenizers/*.json and tokenizers/tiny.model. With GEMMA.gguf, the
quickstart's second model, also gemma3_tokenizer.json.

Needs: tokenizers, sentencepiece, transformers, gguf, protobuf, and llama-tokenize of llama.cpp.
"""

import ast
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from reference import versions  # noqa: E402  (sets the environment first)

import gguf
import sentencepiece
import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, processors, trainers

OUT = Path("crates/engine/tests/golden")
CONTROL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "[INST]"]
USER_DEFINED = ["<tool>", "\n\n", "   "]

CORPUS = (
    "The quick brown fox jumps over the lazy dog. It's 12:30, and they've won 1,234 games; don't "
    "ask how. HELLO World helloWorld XMLParser iPhone15 naïve café Übermäßig déjà-vu Ünïcödé. "
    "Question: what is 12 + 30? Answer: 12 + 30 = 42. 100 200 2024 31415 926535. "
    "def main(args):\n    for i in range(10):\n\t\tprint(f\"{i}: {args[i]}\")\n\n\nreturn 0;\n"
    "日本の首都は東京です。東京は大きい。猫が好き。 Привет мир, привет! мир и мир. "
    "https://example.com/a/b?c=d&e=f#g <b>bold</b> $5.00 50% (a) [b] {c} a_b a-b a/b a\\b `x` ~y^z "
    "I'm you'll we'd she's I'M YOU'LL  two  spaces   three    four. \r\n tabs\t\tand\r\nnewlines\n\n"
) * 3

TEXTS = [
    "", " ", "  ", "   ", "a", " a", "  a", "a ", "a  ", "a   b", "    indented\n  less\n",
    "Hello world", "Hello  World", "helloWorld HTMLParser iPhone ABCdef", "HELLO, WORLD!",
    "it's I'M we'LL they've don't 'tis 's", "12 + 30 = 42", "1", "12", "123", "1234", "12345",
    "1234567890", "a1b22c333d4444", "3.14159, 1,000,000.00", "½ ² ٣٤ Ⅷ", "x=1;y=22;z=333",
    "\n", "\n\n", "\n\n\n", "\n\n\n\n", "a\nb\n\nc\n\n\nd", "\r\n", "a\r\nb\r\n\r\n", "\t\t x \t\n y",
    "trailing spaces   \nnext   ", "café naïve Übermäßig", "cafe\u0301 (combining)", "日本の首都は東京です。",
    "Привет, мир!", "مرحبا بالعالم 123", "हिन्दी में", "🍕 ☕ 👩‍👩‍👧 🇩🇪", "\u200bzero\u200bwidth\u00a0nbsp\u3000wide",
    "<b>bold</b> & 'single' \"double\" `tick`", "https://example.com/a/b?c=d&e=f#g", "a_b-c/d\\e|f",
    "$5.00 50% ~x^y +z", "def f(x):\n\treturn {'a': [1, 2]}  # ok\n", "....!!!???", "---===---",
    "<s>", "</s>", "a<s>b", "<s> a </s>", "<|im_start|>user\nhi<|im_end|>\n", "[INST] hi [/INST]",
    "x<tool>y", " <tool> ", "<tool", "<unk>", "<0x41>", "▁a▁▁b", "ÉCOLE École école ÀB",
    "a\u0000b", "ﬁ ﬂ Å Å", "\ufeffbom", "aaaaaaaaaaaaaaaaaaaaaaaa", "the the the", "ħ̴̡e",
]  # fmt: skip

PRE = ["default", "gpt-2", "smollm", "refact", "starcoder", "falcon", "falcon3", "llama-bpe", "qwen2", "tekken", "dbrx"]  # fmt: skip

# ---------------------------------------------------------------------------- llama.cpp


class LlamaTokenize:
    def __init__(self, program, directory):
        self.program, self.file = program, Path(directory) / "text"

    def __call__(self, model, text, special, bos=True):
        self.file.write_bytes(text.encode())
        command = [self.program, "-m", str(model), "-f", str(self.file), "--ids", "--log-disable"]
        command += [] if special else ["--no-parse-special"]
        command += [] if bos else ["--no-bos"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return ast.literal_eval(done.stdout.strip().splitlines()[-1])


# ---------------------------------------------------------------------------- byte-level BPE


def byte_level():
    """Tokens, kinds and merges; the words are GPT-2's, so that every pre-tokenizer finds some."""
    bpe = tokenizers.Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=620, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    bpe.train_from_iterator([CORPUS], trainer)
    model = json.loads(bpe.to_str())["model"]
    tokens = [t for t, _ in sorted(model["vocab"].items(), key=lambda kv: kv[1])]
    merges = [m if isinstance(m, list) else m.split(" ") for m in model["merges"]]
    # Whole words that no merges lead to: what `ignore_merges` finds.
    tokens += ["ĠparadoxĠ", "XY", "ABCdef"]
    kinds = [1] * len(tokens) + [3] * len(CONTROL) + [4] * len(USER_DEFINED)
    return tokens + CONTROL + USER_DEFINED, kinds, [" ".join(m) for m in merges]


def special_ids(out, tokens):
    out.add_bos_token_id(tokens.index("<s>"))
    out.add_eos_token_id(tokens.index("</s>"))


def write_vocabulary(path, model, tokens, kinds, **more):
    out = gguf.GGUFWriter(str(path), "llama")
    out.add_vocab_size(len(tokens))
    out.add_tokenizer_model(model)
    out.add_token_list(tokens)
    out.add_token_types(kinds)
    special_ids(out, tokens)
    if "pre" in more:
        out.add_tokenizer_pre(more["pre"])
        out.add_token_merges(more["merges"])
    if "scores" in more:
        out.add_token_scores(more["scores"])
        out.add_add_space_prefix(more["space"])
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.close()


def rules(name):
    """How transformers' tokenizer.json of each family splits."""
    split = lambda r: pre_tokenizers.Split(Regex(r), "isolated")
    words = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    llama3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    tekken = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    return {
        "gpt-2": words,
        "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(True), words]),
        "falcon": pre_tokenizers.Sequence(
            [pre_tokenizers.Punctuation("contiguous"), words, pre_tokenizers.Digits(False), split("[0-9][0-9][0-9]")]
        ),
        "llama-bpe": pre_tokenizers.Sequence([split(llama3), bytes_only]),
        "qwen2": pre_tokenizers.Sequence([split(llama3.replace("{1,3}", "")), bytes_only]),
        "tekken": pre_tokenizers.Sequence([split(tekken), bytes_only]),
    }[name]  # fmt: skip


def byte_level_json(name, tokens, kinds, merges):
    ordinary = [t for t, k in zip(tokens, kinds) if k == 1]
    bpe = tokenizers.Tokenizer(
        models.BPE(
            {t: i for i, t in enumerate(ordinary)},
            [tuple(m.split(" ")) for m in merges],
            ignore_merges=name in ("llama-bpe", "tekken"),
        )
    )
    if name == "qwen2":
        bpe.normalizer = tokenizers.normalizers.NFC()
    bpe.pre_tokenizer = rules(name)
    bpe.decoder = decoders.ByteLevel()
    add_tokens(bpe)
    if name in ("llama-bpe", "tekken"):
        bos = bpe.token_to_id("<s>")
        bpe.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A $B", [("<s>", bos)])
    return bpe


def add_tokens(tokenizer):
    plain = [tokenizers.AddedToken(t, normalized=False) for t in USER_DEFINED]
    tokenizer.add_special_tokens([tokenizers.AddedToken(t, special=True) for t in CONTROL])
    tokenizer.add_tokens(plain)


def without_special(tokenizer):
    """The same, in which control tokens in a text are text."""
    import copy

    plain = copy.deepcopy(tokenizer)
    plain.encode_special_tokens = True
    return plain


# ---------------------------------------------------------------------------- SentencePiece


def sentencepiece_model(path, space):
    source = Path(path).with_suffix(".txt")
    source.write_text(CORPUS.replace("\n\n", "\n"))
    sentencepiece.SentencePieceTrainer.train(
        input=str(source), model_prefix=str(Path(path).with_suffix("")), model_type="bpe", vocab_size=700,
        byte_fallback=True, character_coverage=0.98, split_digits=True, normalization_rule_name="identity",
        remove_extra_whitespaces=False, add_dummy_prefix=space, allow_whitespace_only_pieces=True,
        hard_vocab_limit=False, max_sentence_length=100000, unk_surface="?", bos_id=1, eos_id=2, unk_id=0,
        user_defined_symbols=["<tool>"], control_symbols=["<|im_start|>", "<|im_end|>", "[INST]"],
        minloglevel=2,
    )  # fmt: skip
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


def pieces(model):
    kinds = []
    for i in range(model.get_piece_size()):
        kind = 2 if model.is_unknown(i) else 3 if model.is_control(i) else 6 if model.is_byte(i) else 1
        kinds.append(4 if model.id_to_piece(i) == "<tool>" else kind)
    tokens = [model.id_to_piece(i) for i in range(model.get_piece_size())]
    return tokens, kinds, [model.get_score(i) for i in range(len(tokens))]


def sentencepiece_json(tokens, kinds, scores, scheme):
    """The BPE that transformers makes of a SentencePiece model: a merge for every split of a piece
    into two, the best score first."""
    vocabulary = {t: i for i, t in enumerate(tokens)}
    merges = []
    for token, kind, score in zip(tokens, kinds, scores):
        if kind == 1:
            splits = [(token[:i], token[i:]) for i in range(1, len(token))]
            splits = [s for s in splits if s[0] in vocabulary and s[1] in vocabulary]
            merges += [(score, s) for s in sorted(splits, key=lambda s: (vocabulary[s[0]], vocabulary[s[1]]))]
    merges = [s for _, s in sorted(merges, key=lambda m: -m[0])]
    bpe = tokenizers.Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    replace = tokenizers.normalizers.Replace(" ", "▁")
    if scheme == "prepend":
        bpe.normalizer = tokenizers.normalizers.Sequence([tokenizers.normalizers.Prepend("▁"), replace])
    elif scheme == "none":
        bpe.normalizer = replace
    else:
        bpe.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme=scheme, split=False)
    bpe.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = [t for t, k in zip(tokens, kinds) if k in (2, 3)]
    bpe.add_special_tokens([tokenizers.AddedToken(t, special=True, normalized=False) for t in special])
    bpe.add_tokens([tokenizers.AddedToken("<tool>", normalized=False)])
    bpe.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A $B", [("<s>", 1)])
    return bpe


# ---------------------------------------------------------------------------- files


def library_case(tokenizer):
    plain = without_special(tokenizer)
    return {
        "special": [tokenizer.encode(t, add_special_tokens=False).ids for t in TEXTS],
        "plain": [plain.encode(t, add_special_tokens=True).ids for t in TEXTS],
    }


def llama_case(tokenize, path):
    return {
        "special": [tokenize(path, t, True, bos=False) for t in TEXTS],
        "plain": [tokenize(path, t, False) for t in TEXTS],
    }


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


def main(program, gemma, out):
    with tempfile.TemporaryDirectory() as directory:
        tokenize = LlamaTokenize(program, directory)
        vocabulary = Path(directory) / "vocabulary.gguf"
        tokens, kinds, merges = byte_level()
        golden = {"texts": TEXTS, "byte_level": {"tokens": tokens, "kinds": kinds, "merges": merges, "pre": {}}}
        for pre in PRE:
            write_vocabulary(vocabulary, "gpt2", tokens, kinds, pre=pre, merges=merges)
            golden["byte_level"]["pre"][pre] = llama_case(tokenize, vocabulary)
        golden["json"] = {}
        for name in ["gpt-2", "smollm", "falcon", "llama-bpe", "qwen2", "tekken"]:
            made = byte_level_json(name, tokens, kinds, merges)
            write(out / f"tokenizers/{name}.json", json.loads(made.to_str()))
            golden["json"][name] = library_case(made)

        model = sentencepiece_model(Path(directory) / "tiny.model", True)
        tokens, kinds, scores = pieces(model)
        golden["sentencepiece"] = {"tokens": tokens, "kinds": kinds, "scores": scores}
        for name, space in [("with_prefix", True), ("without_prefix", False)]:
            write_vocabulary(vocabulary, "llama", tokens, kinds, scores=scores, space=space)
            golden["sentencepiece"][name] = llama_case(tokenize, vocabulary)
        # The processor itself, on the texts without tokens of their own.
        golden["sentencepiece"]["processor"] = [model.encode(t) for t in TEXTS]
        (out / "tokenizers").mkdir(exist_ok=True)
        (out / "tokenizers/tiny.model").write_bytes((Path(directory) / "tiny.model").read_bytes())
        for scheme in ["prepend", "none", "first", "always"]:
            made = sentencepiece_json(tokens, kinds, scores, scheme)
            name = f"sentencepiece-{scheme}"
            write(out / f"tokenizers/{name}.json", json.loads(made.to_str()))
            golden["json"][name] = library_case(made)
        golden["versions"] = versions("tokenizers", "sentencepiece", "gguf")
        write(out / "tokenizers_golden.json", golden)

        if gemma:
            texts = TEXTS + ["<start_of_turn>user\nhi<end_of_turn>\n", "<bos>x<eos>", "[multimodal]<table>"]
            cases = [
                {"text": t, "special": tokenize(gemma, t, True, bos=False), "plain": tokenize(gemma, t, False)}
                for t in texts
            ]
            sha = hashlib.sha256(Path(gemma).read_bytes()).hexdigest()
            write(out / "gemma3_tokenizer.json", {"gguf_sha256": sha, "cases": cases})


if __name__ == "__main__":
    gemma = next((a for a in sys.argv[2:] if a.endswith(".gguf")), None)
    directories = [a for a in sys.argv[2:] if not a.endswith(".gguf")]
    main(sys.argv[1], gemma, Path(directories[0]) if directories else OUT)

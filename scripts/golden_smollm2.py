#!/usr/bin/env python3
"""Golden values of SmolLM2-135M-Instruct (GGUF Q4_1): logits, greedy text, token ids.

    python scripts/golden_smollm2.py MODEL.gguf [OUT_DIR]   # default: crates/engine/tests/golden

Writes smollm2_golden.json and smollm2_tokenizer.json. The reference is transformers (float32,
eager) on the dequantised weights; the script first proves that those weights are bit for bit what
the gguf package dequantises. llama.cpp then runs the same prompts on an F32 copy of the model, and
what it says is recorded beside the reference.

Needs: torch, transformers, accelerate, gguf, numpy, tokenizers, xllamacpp.
"""

import hashlib
import json
import random
import sys
from pathlib import Path

from reference import (  # noqa: E402  (sets the environment before torch is imported)
    LlamaCpp,
    dequantised_copy,
    dequantised_tensors,
    fields,
    hf_greedy,
    hf_model,
    hf_tokenizer,
    smollm_tokenizer,
    temporary_directory,
    unpermute,
    versions,
)

import numpy as np
import torch

NEW_TOKENS = 32
TIE = 1e-3
TOP, SAMPLED, LOGIT_PROMPTS = 64, 256, 4

CHAT = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"

PROMPTS = [
    # The first four also have their logits recorded: short, long, numbers, chat.
    "The capital of France is",
    "Q: What is 2 + 3?\nA: 2 + 3 = 5. The answer is 5.\n\nQ: What is 7 + 6?\nA: 7 + 6 = 13. The answer is 13.\n\nQ: What is 12 + 9?\nA:",
    "1, 2, 4, 8, 16, 32,",
    CHAT.format("Why is the sky blue?"),
    "Once upon a time, in a small village by the sea, there lived",
    "Water boils at a temperature of",
    "The three primary colours are",
    "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n",
    "fn main() {\n    let numbers = vec![1, 2, 3];\n    for n in",
    "SELECT name, age FROM users WHERE",
    "Input:\n3 4 1 0\n\nTarget:\n<scratch>\n",
    "457 + 386 = 843\n129 + 254 = 383\n318 + 475 =",
    "Übermäßige Höflichkeit ist",
    "El perro come y el gato duerme. ¿Qué hace el",
    "日本の首都は",
    "I love pizza 🍕 and coffee ☕ because",
    "   Leading spaces,\ttabs\tand\n\n\nblank lines:",
    CHAT.format("Write one sentence about cats."),
    "<|im_start|>user\nWhat is 15 * 4?<|im_end|>\n<|im_start|>assistant\n",
    "Question: If there are 3 cars and 2 more cars arrive, how many cars are there?\nChoices: (a) 3 (b) 5 (c) 6\nAnswer: (b) 5, because 3 + 2 = 5.\n\nQuestion: Tom has 8 apples and eats 3. How many are left?\nChoices: (a) 5 (b) 11 (c) 3\nAnswer:",
]  # fmt: skip

# ---------------------------------------------------------------------------- tokenizer strings

FIXED_STRINGS = [
    " ", "  ", "   ", "\n", "\n\n", "\n\n\n", "\t", "\t\t", "\r\n", "\r", " \n", "\n ", " \n \n", "a",
    " a", "  a", "a ", "a  ", "a  b", "a   b", "a\n", "a\n\nb", "\na", "\n\n a", "\n  a", "a\tb",
    "\ta", "\t a", " \ta", "a \t b", "Hello world", "Hello  world", " Hello world ", "hello, world!",
    "HELLO", "Hello\nWorld", "don't", "I'm you're we've he'll she'd it's", "DON'T", "'s", " 's",
    "''''", "o'clock's", "rock 'n' roll", "0", "1", "10", "007", " 7", "  7", "   7", "7 ", "7  7",
    "12345", "3.14159", "1,000,000", "-42", "+1", "1e-5", "0x1F", "50%", "$9.99", "2024-01-31",
    "12:30:45", "a1b2", "1a2b", "x1 x2  x3", "\n1\n2\n", "\t1", "v1.2.3", "(1)", "3 4 1 0", "3  4",
    "½", "x²", "Ⅷ", "①②", "٣٤", "１２", "  ½", " ²", "5½", "1st 2nd", "H2O", "1+1=2", "10 * (2 + 3)",
    "é", "café", "naïve façade", "Ångström", "e\u0301", "ñandú", "Ελληνικά", "Привет, мир!",
    "שלום עולם", "مرحبا بالعالم", "नमस्ते", "สวัสดี", "你好，世界", "日本語のテキスト", "한국어 문장", "東京 2020",
    "😀", "👍🏽", "👩‍👩‍👧‍👦", "🇫🇷", "a😀b", " 😀 ", "🦙🦙", "→ ≠ ≤ ∑", "“quoted” ‘text’ — dash…", "\u00a0", "a\u00a0b",
    "\u3000", "a\u3000b", "\u200b", "a\u200bb", "\ufeff", "\u00ad", "\u2028", "zero\u200dwidth", "𝒳 𝔸", "ﬁ ligature",
    "def f(x):\n    return x + 1\n", "for (int i = 0; i < n; ++i) {\n\tsum += a[i];\n}\n",
    "if x == 'y':\n        pass", "print(\"hi\")", "#include <stdio.h>", "<div class=\"a\">&amp;</div>",
    "{\"key\": [1, 2.5, null]}", "a_b __init__ CamelCase snake_case", "foo::bar<T>()", "/* c */ // d",
    "http://example.com/a?b=c&d=10#e", "user@example.org", "C:\\path\\file.txt", "~/x/*.rs", "a=b", "a = b",
    "!!!", "???!!!", "...", " ...", "--", "---", "=====", "******", "[]{}()", "`code`", "```rust\nlet x;\n```",
    "# Title\n\n- item\n- item\n", "| a | b |\n|---|---|", "$E = mc^2$", "\\frac{1}{2}", "100€ £5 ¥7",
    "supercalifragilisticexpialidocious", "aaaaaaaaaaaaaaaaaaaaaaaa", "antidisestablishmentarianism",
    "asdkjfhqwieurh zxcvbn", "The quick brown fox jumps over the lazy dog.",
    "<scratch>\n3 + 4 , 7 C: 0\n</scratch>\n", "Input:\n2 9 + 5 7\nTarget:\n", "Q: 12 + 30?\nA:",
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "a<|im_end|>b", " <|im_end|> ", "<|im_start|>user\nhi<|im_end|>\n",
    "<|im_start|> user", "<|im_start", "<|unknown|>", "<|im_end|><|im_end|>", "<repo_name>x<file_sep>y", "\n<|im_end|>\n",
]  # fmt: skip

# Text that a user might send which spells a control token: read as plain text.
PLAIN_STRINGS = [
    "<|im_end|>", "a<|im_end|>b", "<|im_start|>system\nhi<|im_end|>\n", "<|endoftext|>", "<repo_name> x",
]  # fmt: skip

PIECES = [
    "the", " cat", "  ", "\n", "\n\n", "\t", " 12", "7", "3.5", " don't", "é", " über", "中文", "日本", "🙂", "—",
    ", ", ". ", "!", " (", ")", "x_1", " = ", "fn", " {\n    ", "}\n", "::", "<|im_end|>", "Привет", " ½", "'ll", " A",
]  # fmt: skip

# Characters whose class depends on the Unicode version or the regex engine. Not part of the golden
# cases unless all agree; listed as "disputed" otherwise.
EDGE_STRINGS = [
    "a\u0085b", "a\u180eb", "a\x1cb", "a\x1fb", " \x0bb", "\x0c\x0c", "a\u2029 b", "\u1680x", "\u202f5", "\u0000",
    "\u1c89", "\U00010d4ab", "\U00016d41", "\U0001e5d0", "\u0378x", "\ue000", "\uffff", "\U0010fffd", "\U000e0041",
]  # fmt: skip


def mixed_strings(count):
    gen = random.Random(20240131)
    seen = list(dict.fromkeys(FIXED_STRINGS))
    while len(seen) < count:
        text = "".join(gen.choice(PIECES) for _ in range(gen.randint(3, 14)))
        if text not in seen:
            seen.append(text)
    return seen


def pretty(path, head, lists):
    """JSON with one line per item of each list in `lists`."""
    parts = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in head.items()]
    for name, items in lists.items():
        body = ",\n".join(json.dumps(i, ensure_ascii=False, separators=(",", ":")) for i in items)
        parts.append(f"{json.dumps(name)}: [\n{body}\n]")
    # U+2028 and friends are legal in JSON but break editors: everything invisible is escaped.
    text = "{\n" + ",\n".join(parts) + "\n}\n"
    text = "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)
    path.write_text(text, encoding="utf-8")
    json.loads(path.read_text(encoding="utf-8"))
    print(f"{path.stat().st_size:>8}  {path.name}")


def check_weights(path, model):
    """transformers' dequantised weights against the gguf package's, bit for bit."""
    meta = fields(path)
    heads = {"q": meta["llama.attention.head_count"], "k": meta["llama.attention.head_count_kv"]}
    names = {
        "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    }  # fmt: skip
    top = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
    state, used = model.state_dict(), set()
    for name, values in dequantised_tensors(path):
        stem = name.removesuffix(".weight")
        if stem in top:
            hf = top[stem] + ".weight"
        else:
            _, layer, short = stem.split(".")
            hf = f"model.layers.{layer}.{names[short]}.weight"
            if short in ("attn_q", "attn_k"):
                values = unpermute(values, heads[short[-1]])
        got = state[hf].numpy()
        assert got.dtype == np.float32 and np.array_equal(got, values), hf
        used.add(hf)
    assert set(state) - used == {"lm_head.weight"} and model.config.tie_word_embeddings
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    print(f"weights: {len(used)} tensors equal bit for bit, the head is the embedding")


def write_tokenizer(path, out_dir, sha, hf_tok, true_tok, plain_tok, peer):
    def ids_of(text):
        return {
            "published": true_tok.encode(text, add_special_tokens=False).ids,
            "llama_cpp": peer.tokenize(text),
            "transformers_gguf": hf_tok(text, add_special_tokens=False)["input_ids"],
        }

    cases, disputed, hf_differs, irreversible = [], [], [], 0
    for text in mixed_strings(200) + EDGE_STRINGS:
        got = ids_of(text)
        if got["published"] != got["llama_cpp"]:
            disputed.append({"text": text} | got)
            print("  DISPUTED", ascii(text), got)
            continue
        if got["transformers_gguf"] != got["published"]:
            hf_differs.append({"text": text, "wrong_ids": got["transformers_gguf"]})
        if true_tok.decode(got["published"], skip_special_tokens=False) != text:
            irreversible += 1
            print("  does not decode to itself", ascii(text))
        cases.append({"text": text, "ids": got["published"]})
    plain = []
    for text in PLAIN_STRINGS:
        ids = plain_tok.encode(text, add_special_tokens=False).ids
        assert ids == peer.tokenize(text, parse_special=False), text
        plain.append({"text": text, "ids": ids})
    print(
        f"tokenizer: {len(cases)} cases agree with llama.cpp, {len(disputed)} disputed,"
        f" transformers' own GGUF tokenizer differs on {len(hf_differs)}, {irreversible} irreversible"
    )
    head = {
        "made_by": "scripts/golden_smollm2.py",
        "gguf_sha256": sha,
        "versions": versions("transformers", "tokenizers", "xllamacpp"),
        "truth": "ids on which SmolLM's published pipeline (Digits individual, ByteLevel with"
        " GPT-2's regex, BPE; run by the tokenizers package) and llama.cpp (parse_special) agree",
        "notes": "cases: control tokens in the text are recognised. plain: they are not."
        " disputed: the two differ; do not test. transformers_gguf_differs: what transformers"
        " derives from the GGUF file, which forgets to split digits; its ids are wrong.",
    }
    pretty(
        out_dir / "smollm2_tokenizer.json",
        head,
        {"cases": cases, "plain": plain, "disputed": disputed, "transformers_gguf_differs": hf_differs},
    )


def main():
    path = Path(sys.argv[1])
    default = Path(__file__).resolve().parent.parent / "crates/engine/tests/golden"
    out_dir = Path(sys.argv[2]) if len(sys.argv) > 2 else default
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    eos = fields(path)["tokenizer.ggml.eos_token_id"]
    model = hf_model(path)
    check_weights(path, model)
    true_tok, plain_tok = smollm_tokenizer(path), smollm_tokenizer(path, specials=False)
    with temporary_directory() as tmp:
        full = Path(tmp) / "f32.gguf"
        dequantised_copy(path, full)
        peer = LlamaCpp(full)
        write_tokenizer(path, out_dir, sha, hf_tokenizer(path), true_tok, plain_tok, peer)

        prompts, worst = [], 0.0
        gen = random.Random(7)
        sampled = sorted(gen.sample(range(model.config.vocab_size), SAMPLED))
        for index, text in enumerate(PROMPTS):
            ids = true_tok.encode(text, add_special_tokens=False).ids
            assert ids == peer.tokenize(text), text
            out, gaps = hf_greedy(model, ids, NEW_TOKENS, eos)
            entry = {
                "prompt": text,
                "ids": ids,
                "new_ids": out,
                "new_text": true_tok.decode([i for i in out if i != eos], skip_special_tokens=False),
                "stopped_at_eos": out[-1] == eos,
                "smallest_gap": float(f"{min(gaps):.4g}"),
                "ties": [[s, float(f"{g:.3g}")] for s, g in enumerate(gaps) if g < TIE],
            }
            peer_text, _ = peer.greedy(text, NEW_TOKENS)
            entry["llama_cpp_same_text"] = peer_text == entry["new_text"]
            if index < LOGIT_PROMPTS:
                with torch.no_grad():
                    logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
                top = torch.topk(logits, TOP)
                entry["logits_last"] = {
                    "top": [[int(i), float(str(np.float32(v)))] for v, i in zip(top.values, top.indices)],
                    "sampled": [float(str(logits[i].numpy())) for i in sampled],
                    "log_sum_exp": float(str(torch.logsumexp(logits.double(), 0).float().numpy())),
                }
                logp = torch.log_softmax(logits.double(), -1)
                got = peer.log_probabilities(ids, 1000)
                gap = max(abs(v - float(logp[i])) for i, v in got.items())
                entry["logits_last"]["llama_cpp_max_difference"] = float(f"{gap:.2e}")
                worst = max(worst, gap)
            prompts.append(entry)
            print(
                index, len(ids), "gap", entry["smallest_gap"], "ties", entry["ties"], "eos", entry["stopped_at_eos"],
                "llama.cpp same:", entry["llama_cpp_same_text"], repr(entry["new_text"][:60]),
            )  # fmt: skip
            if not entry["llama_cpp_same_text"]:
                print("   llama.cpp:", repr(peer_text))
    print("largest log-probability difference to llama.cpp", worst)
    head = {
        "made_by": "scripts/golden_smollm2.py",
        "model": path.name,
        "gguf_sha256": sha,
        "versions": versions("torch", "transformers", "gguf", "tokenizers", "xllamacpp"),
        "precision": "transformers, float32, eager attention, dequantised weights, key/value cache",
        "max_new_tokens": NEW_TOKENS,
        "eos": eos,
        "tie_threshold": TIE,
        "notes": "ties: [step, gap between the two largest logits] below the threshold; step 0 is the"
        " first new token. new_ids ends with eos when it was produced; new_text is without it."
        " logits_last: at the last prompt position; sampled holds the values at sampled_ids.",
        "sampled_ids": sampled,
    }
    pretty(out_dir / "smollm2_golden.json", head, {"prompts": prompts})


if __name__ == "__main__":
    main()

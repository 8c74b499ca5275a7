#!/usr/bin/env python3
"""Make the tiny golden models and the values the engine's tests compare against.

Two references that share no code compute every number:

* the committed one: a plain float64 Llama written out below, differentiated by autograd, with
  its own AdamW and its own gradient clipping;
* the check on it: transformers' LlamaForCausalLM (eager attention, float32) with PEFT LoRA and
  torch.optim.AdamW. The script fails when the two part by more than float32 rounding explains.

The GGUF files are then read back through transformers' GGUF loader, which must give the same
logits; that proves the q/k row order. Where the xllamacpp wheel is installed, llama.cpp reads
the same files and must agree too, with and without the adapter, at every position. Nothing here
is imported by the product.

    python scripts/golden_tiny.py [OUT_DIR]      # default: crates/engine/tests/golden

Needs: torch, transformers, peft, gguf, numpy, safetensors, accelerate; xllamacpp if you have it.
"""

import json
import math
import shutil
import sys
import tempfile
from pathlib import Path

from reference import permute, versions  # noqa: E402  (sets the environment first)

import gguf
import numpy as np
import peft
import safetensors.torch
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

LAYERS, HIDDEN, HEADS, KV_HEADS, HEAD_DIM, FFN, VOCAB = 2, 32, 4, 2, 8, 48, 96
THETA, EPS, CONTEXT = 10000.0, 1e-5, 64
RANK, ALPHA = 4, 8
LR, BETAS, ADAM_EPS, DECAY, CLIP, STEPS = 1e-2, (0.9, 0.999), 1e-8, 0.01, 1.0, 3

MODULES = {
    "self_attn.q_proj": (HEADS * HEAD_DIM, HIDDEN),
    "self_attn.k_proj": (KV_HEADS * HEAD_DIM, HIDDEN),
    "self_attn.v_proj": (KV_HEADS * HEAD_DIM, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HEADS * HEAD_DIM),
    "mlp.gate_proj": (FFN, HIDDEN),
    "mlp.up_proj": (FFN, HIDDEN),
    "mlp.down_proj": (HIDDEN, FFN),
}
GGUF_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}

# ---------------------------------------------------------------------------- tokenizer

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = [
    "Ġ t", "h e", "i n", "Ġt he", "a n", "Ġ a", "r e", "o n", "e r", "a t",
    "an d", "Ġ and", "Ã ©", "Ġ Ġ", "Ċ Ċ", "Ġ s", "o u", "e n", "o r", "i s",
    "Ġ is", "in g", "l l", "e s", "Ġ b", "s t", "Ġ f", "Ġ +", "Ġ =", "Ġ Q",
]  # fmt: skip
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def vocabulary():
    """Specials, then single bytes in GPT-2's alphabet, then one token per merge: 96 in all."""
    singles = list("ĠĊabcdefghijklmnopqrstuvwxyz0123456789ABQ.,?!:;'\"()+-=*/_<>|#Ã©")
    tokens = SPECIALS + singles + [m.replace(" ", "") for m in MERGES]
    assert len(tokens) == VOCAB == len(set(tokens)), len(tokens)
    types = [gguf.TokenType.CONTROL] * len(SPECIALS)
    types += [gguf.TokenType.NORMAL] * (VOCAB - len(SPECIALS))
    return tokens, types


TOKENIZER_CASES = [
    "",
    "the cat",
    " the other thing",
    "q: 12+30=42",
    "in  the   end\n\nand\n",
    "café and éé",
    "it's 2007, and 10 is 9+1.",
    "Q a b  ",
    "<|im_start|>user\nhello<|im_end|>\n",
]

# ---------------------------------------------------------------------------- weights


def make_weights(tied):
    """Weights large enough that every part of the network matters to the logits."""
    gen = torch.Generator().manual_seed(20240131)
    randn = lambda *shape: torch.randn(*shape, generator=gen, dtype=torch.float32)
    w = {"model.embed_tokens.weight": randn(VOCAB, HIDDEN) * 0.7}
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        w[p + "input_layernorm.weight"] = 1 + 0.2 * randn(HIDDEN)
        w[p + "post_attention_layernorm.weight"] = 1 + 0.2 * randn(HIDDEN)
        for name, (out, inp) in MODULES.items():
            w[p + name + ".weight"] = randn(out, inp) * (1.2 / math.sqrt(inp))
    w["model.norm.weight"] = 1 + 0.2 * randn(HIDDEN)
    head = randn(VOCAB, HIDDEN) * (1.0 / math.sqrt(HIDDEN))
    w["lm_head.weight"] = w["model.embed_tokens.weight"] if tied else head
    return w


def make_lora():
    gen = torch.Generator().manual_seed(77)
    lora = {}
    for i in range(LAYERS):
        for name, (out, inp) in MODULES.items():
            p = f"base_model.model.model.layers.{i}.{name}."
            a = torch.randn(RANK, inp, generator=gen) * (0.7 / math.sqrt(inp))
            b = torch.randn(out, RANK, generator=gen) * 0.15
            lora[p + "lora_A.weight"], lora[p + "lora_B.weight"] = a, b
    return lora


SEQUENCES = [
    {"ids": [1, 22, 20, 9, 7, 3, 31, 40, 35, 3, 84, 2], "prompt_tokens": 5},
    {"ids": [69, 8, 6, 25, 94, 33, 2], "prompt_tokens": 3},
    {"ids": [1, 13, 14, 15, 4, 70, 71, 72, 59, 95, 11, 17, 17, 66, 30, 88, 2], "prompt_tokens": 9},
]

# ---------------------------------------------------------------------------- plain float64 Llama


def plain_forward(w, lora, ids):
    """Logits of every position, written out without a library model. `lora` may be None."""
    n = len(ids)

    def linear(x, layer, name):
        y = x @ w[f"model.layers.{layer}.{name}.weight"].T
        if lora is not None:
            p = f"base_model.model.model.layers.{layer}.{name}."
            y = y + (ALPHA / RANK) * ((x @ lora[p + "lora_A.weight"].T) @ lora[p + "lora_B.weight"].T)
        return y

    def rms(x, g):
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + EPS) * g

    half = HEAD_DIM // 2
    freq = torch.tensor([THETA ** (-2 * j / HEAD_DIM) for j in range(half)], dtype=torch.float64)
    angle = torch.arange(n, dtype=torch.float64)[:, None] * freq
    cos, sin = angle.cos()[:, None, :], angle.sin()[:, None, :]

    def rope(x):  # Hugging Face order: the pair of dimension j is j + half
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    mask = torch.full((n, n), float("-inf"), dtype=torch.float64).triu(1)
    x = w["model.embed_tokens.weight"][torch.tensor(ids)]
    for i in range(LAYERS):
        h = rms(x, w[f"model.layers.{i}.input_layernorm.weight"])
        q = rope(linear(h, i, "self_attn.q_proj").view(n, HEADS, HEAD_DIM))
        k = rope(linear(h, i, "self_attn.k_proj").view(n, KV_HEADS, HEAD_DIM))
        v = linear(h, i, "self_attn.v_proj").view(n, KV_HEADS, HEAD_DIM)
        heads = []
        for j in range(HEADS):
            g = j // (HEADS // KV_HEADS)
            p = torch.softmax(q[:, j] @ k[:, g].T / math.sqrt(HEAD_DIM) + mask, -1)
            heads.append(p @ v[:, g])
        x = x + linear(torch.cat(heads, -1), i, "self_attn.o_proj")
        h = rms(x, w[f"model.layers.{i}.post_attention_layernorm.weight"])
        gate = linear(h, i, "mlp.gate_proj")
        x = x + linear(gate * torch.sigmoid(gate) * linear(h, i, "mlp.up_proj"), i, "mlp.down_proj")
    return rms(x, w["model.norm.weight"]) @ w["lm_head.weight"].T


def batch_loss(logits_of):
    """Mean cross entropy over every completion token of the whole batch (not a mean of means)."""
    total, count = 0.0, 0
    for seq in SEQUENCES:
        ids, start = seq["ids"], seq["prompt_tokens"]
        logp = torch.log_softmax(logits_of(ids), -1)
        for t in range(start, len(ids)):  # the token at t is predicted at t - 1
            total = total - logp[t - 1, ids[t]]
            count += 1
    return total / count, count


def plain_adamw(w, lora):
    """Three AdamW steps in float64: decoupled decay, clip by the norm over all A and B."""
    theta = {k: v.clone() for k, v in lora.items()}
    m = {k: torch.zeros_like(v) for k, v in theta.items()}
    s = {k: torch.zeros_like(v) for k, v in theta.items()}
    losses, norms = [], []
    for step in range(1, STEPS + 1):
        leaf = {k: v.clone().requires_grad_() for k, v in theta.items()}
        loss, _ = batch_loss(lambda ids: plain_forward(w, leaf, ids))
        grads = dict(zip(leaf, torch.autograd.grad(loss, list(leaf.values()))))
        norm = math.sqrt(sum(float((g * g).sum()) for g in grads.values()))
        scale = min(1.0, CLIP / (norm + 1e-6))
        losses.append(float(loss.detach()))
        norms.append(norm)
        for k, g in grads.items():
            g = g * scale
            theta[k] = theta[k] * (1 - LR * DECAY)
            m[k] = BETAS[0] * m[k] + (1 - BETAS[0]) * g
            s[k] = BETAS[1] * s[k] + (1 - BETAS[1]) * g * g
            m_hat = m[k] / (1 - BETAS[0] ** step)
            s_hat = s[k] / (1 - BETAS[1] ** step)
            theta[k] = theta[k] - LR * m_hat / (s_hat.sqrt() + ADAM_EPS)
    after, _ = batch_loss(lambda ids: plain_forward(w, theta, ids))
    return losses, norms, float(after), theta


# ---------------------------------------------------------------------------- transformers + PEFT


def hf_model(weights, tied):
    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=HIDDEN, intermediate_size=FFN, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, head_dim=HEAD_DIM,
        max_position_embeddings=CONTEXT, rms_norm_eps=EPS, tie_word_embeddings=tied,
        rope_parameters={"rope_type": "default", "rope_theta": THETA}, attention_bias=False,
        mlp_bias=False, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        attn_implementation="eager",
    )  # fmt: skip
    model = LlamaForCausalLM(config).float().eval()
    assert model.config._attn_implementation == "eager"
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and not missing, (missing, unexpected)
    return model


def hf_peft(weights, tied, lora):
    config = peft.LoraConfig(
        r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM",
        target_modules=sorted(n.split(".")[1] for n in MODULES), base_model_name_or_path="tiny",
    )  # fmt: skip
    model = peft.get_peft_model(hf_model(weights, tied), config)
    model.peft_config["default"].base_model_name_or_path = "tiny"
    named = {k.replace(".default.", "."): v for k, v in model.named_parameters() if v.requires_grad}
    assert named.keys() == lora.keys(), named.keys() ^ lora.keys()
    with torch.no_grad():
        for k, v in named.items():
            v.copy_(lora[k])
    return model, named


def hf_logits(model, ids):
    return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


def hf_padded_loss(model):
    """The same loss as a trainer would take it: right padding and -100 labels, one forward."""
    width = max(len(s["ids"]) for s in SEQUENCES)
    ids = torch.zeros(len(SEQUENCES), width, dtype=torch.long)
    attention, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, s in enumerate(SEQUENCES):
        n, p = len(s["ids"]), s["prompt_tokens"]
        ids[row, :n], attention[row, :n] = torch.tensor(s["ids"]), 1
        labels[row, p:n] = torch.tensor(s["ids"][p:])
    return model(input_ids=ids, attention_mask=attention, labels=labels).loss


# ---------------------------------------------------------------------------- files


def heads_of(module):
    return {"self_attn.q_proj": HEADS, "self_attn.k_proj": KV_HEADS}.get(module)


def write_gguf(path, weights, tied):
    out = gguf.GGUFWriter(str(path), "llama")
    out.add_type("model")
    out.add_name("tiny-tied" if tied else "tiny")
    out.add_file_type(gguf.LlamaFileType.ALL_F32)
    out.add_vocab_size(VOCAB)
    out.add_context_length(CONTEXT)
    out.add_embedding_length(HIDDEN)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(FFN)
    out.add_head_count(HEADS)
    out.add_head_count_kv(KV_HEADS)
    out.add_rope_dimension_count(HEAD_DIM)
    out.add_rope_freq_base(THETA)
    out.add_layer_norm_rms_eps(EPS)
    tokens, types = vocabulary()
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("smollm")
    out.add_token_list(tokens)
    out.add_token_types(types)
    out.add_token_merges(MERGES)
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_unk_token_id(0)
    out.add_pad_token_id(2)
    out.add_add_bos_token(False)
    out.add_add_space_prefix(False)
    out.add_chat_template(CHAT_TEMPLATE)

    def put(name, tensor):
        out.add_tensor(name + ".weight", np.ascontiguousarray(tensor, dtype=np.float32))

    put("token_embd", weights["model.embed_tokens.weight"])
    for i in range(LAYERS):
        for hf, short in GGUF_NAMES.items():
            tensor = weights[f"model.layers.{i}.{hf}.weight"].numpy()
            if heads_of(hf):
                tensor = permute(tensor, heads_of(hf))
            put(f"blk.{i}.{short}", tensor)
    put("output_norm", weights["model.norm.weight"])
    if not tied:
        put("output", weights["lm_head.weight"])
    close(out)


def write_gguf_lora(path, lora):
    """The same adapter as llama.cpp wants it: A as it is, B's rows permuted for q and k."""
    out = gguf.GGUFWriter(str(path), "llama")
    out.add_type("adapter")
    out.add_string("adapter.type", "lora")
    out.add_float32("adapter.lora.alpha", float(ALPHA))
    for i in range(LAYERS):
        for module in MODULES:
            p = f"base_model.model.model.layers.{i}.{module}."
            a, b = lora[p + "lora_A.weight"].numpy(), lora[p + "lora_B.weight"].numpy()
            if heads_of(module):
                b = permute(b, heads_of(module))
            name = f"blk.{i}.{GGUF_NAMES[module]}.weight"
            out.add_tensor(name + ".lora_a", np.ascontiguousarray(a, dtype=np.float32))
            out.add_tensor(name + ".lora_b", np.ascontiguousarray(b, dtype=np.float32))
    close(out)


def close(out):
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


class Number(float):
    """A float32 that prints as the shortest text which reads back as the same float32."""

    def __repr__(self):
        return str(np.float32(self))


def f32(values):
    """Nested lists of float32, rounded once from float64."""
    if isinstance(values, torch.Tensor):
        values = values.detach().numpy()
    if np.ndim(values) == 0:
        return Number(np.float32(values))
    return [f32(v) for v in values]


def dump_json(path, value):
    """JSON with one line per top-level entry and per tensor, so that a diff stays readable."""

    def text(v):
        if isinstance(v, Number):
            return repr(v)
        if isinstance(v, dict):
            return "{" + ",".join(f"{json.dumps(k)}:{text(x)}" for k, x in v.items()) + "}"
        if isinstance(v, list):
            return "[" + ",".join(text(x) for x in v) + "]"
        return json.dumps(v, ensure_ascii=False)

    def lines(v, depth):
        if isinstance(v, dict) and depth < 3 and any(isinstance(x, (dict, list)) for x in v.values()):
            inner = ",\n".join(f"{json.dumps(k)}: {lines(x, depth + 1)}" for k, x in v.items())
            return "{\n" + inner + "\n}"
        return text(v)

    path.write_text(lines(value, 0) + "\n", encoding="utf-8")
    json.loads(path.read_text(encoding="utf-8"))


# ---------------------------------------------------------------------------- main


def gap(a, b):
    return float((a.detach().double() - b.detach().double()).abs().max())


def make(name, tied, lora, out_dir):
    weights = make_weights(tied)
    w64 = {k: v.double() for k, v in weights.items()}
    l64 = {k: v.double() for k, v in lora.items()}
    probe = SEQUENCES[2]["ids"]

    # The committed numbers: plain float64.
    base = plain_forward(w64, None, probe)
    tuned = plain_forward(w64, l64, probe)
    leaf = {k: v.clone().requires_grad_() for k, v in l64.items()}
    loss, count = batch_loss(lambda ids: plain_forward(w64, leaf, ids))
    grads = dict(zip(leaf, torch.autograd.grad(loss, list(leaf.values()))))
    losses, norms, after, final = plain_adamw(w64, l64)

    # The check: transformers, eager, float32, with PEFT and torch's AdamW.
    diff = {"logits_base": gap(hf_logits(hf_model(weights, tied), probe), base)}
    model, named = hf_peft(weights, tied, lora)
    diff["logits_lora"] = gap(hf_logits(model, probe), tuned)
    hf_loss, _ = batch_loss(lambda ids: hf_logits(model, ids))
    diff["loss"] = abs(float(hf_loss.detach()) - float(loss.detach()))
    diff["loss_padded_batch"] = abs(float(hf_padded_loss(model).detach()) - float(loss.detach()))
    hf_grads = dict(zip(named, torch.autograd.grad(hf_loss, list(named.values()))))
    diff["gradients"] = max(gap(hf_grads[k], grads[k]) for k in grads)
    optimizer = torch.optim.AdamW(
        named.values(), lr=LR, betas=BETAS, eps=ADAM_EPS, weight_decay=DECAY
    )
    hf_losses, hf_norms = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        step_loss, _ = batch_loss(lambda ids: hf_logits(model, ids))
        step_loss.backward()
        hf_norms.append(float(torch.nn.utils.clip_grad_norm_(named.values(), CLIP)))
        optimizer.step()
        hf_losses.append(float(step_loss.detach()))
    diff["adamw_losses"] = max(abs(a - b) for a, b in zip(hf_losses, losses))
    diff["adamw_norms"] = max(abs(a - b) for a, b in zip(hf_norms, norms))
    diff["adamw_values"] = max(gap(named[k], final[k]) for k in final)
    smallest = min(float(g.abs().min()) for g in grads.values())
    print(name, "scored tokens", count, "loss", float(loss.detach()), "norms", norms, "losses", losses, after)
    print("   logits span", float(base.min()), float(base.max()), "smallest |gradient|", smallest)
    print("   largest gradient", max(float(g.abs().max()) for g in grads.values()), diff)
    for key, value in diff.items():
        assert value < (2e-4 if key == "adamw_values" else 2e-5), (key, value)
    assert max(norms) > CLIP, "the clip must be exercised"

    path = out_dir / f"{name}.gguf"
    write_gguf(path, weights, tied)
    # Read back through an independent reader: same logits, same tokens.
    with tempfile.TemporaryDirectory() as tmp:
        shutil.copy(path, tmp)
        back = AutoModelForCausalLM.from_pretrained(
            tmp, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        tokenizer = AutoTokenizer.from_pretrained(tmp, gguf_file=path.name)
    read_back = gap(hf_logits(back, probe), base)
    print("   read back through the GGUF loader:", read_back)
    assert read_back < 2e-5 and back.config.tie_word_embeddings == tied
    cases = []
    for text in TOKENIZER_CASES:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text, (text, ids, tokenizer.decode(ids))
        cases.append({"text": text, "ids": ids})
    messages = [{"role": "user", "content": "12+30?"}]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    def tensors(items):
        return {
            k: {"shape": list(v.shape), "values": f32(v.detach().reshape(-1))}
            for k, v in items.items()
        }

    golden = {
        "made_by": "scripts/golden_tiny.py",
        "precision": "computed in float64 from the float32 weights, rounded once to float32",
        "versions": versions("torch", "transformers", "peft", "numpy", "gguf"),
        "config": {
            "layers": LAYERS, "hidden": HIDDEN, "heads": HEADS, "kv_heads": KV_HEADS,
            "head_dim": HEAD_DIM, "ffn": FFN, "vocab": VOCAB, "rope_theta": THETA,
            "rms_eps": EPS, "tied": tied, "lora_r": RANK, "lora_alpha": ALPHA,
        },
        "sequences": SEQUENCES,
        "scored_tokens": count,
        "loss": f32(loss),
        "logits_sequence": 2,
        "logits_base": f32(base),
        "logits_lora": f32(tuned),
        "gradients": tensors(grads),
        "adamw": {
            "lr": LR, "beta1": BETAS[0], "beta2": BETAS[1], "eps": ADAM_EPS,
            "weight_decay": DECAY, "clip_norm": CLIP, "steps": STEPS,
            "losses": f32(losses),
            "gradient_norms_before_clip": f32(norms),
            "loss_after": f32(after),
            "values": tensors(final),
        },
        "max_abs_difference_to_transformers_peft_float32": {k: float(f"{v:.2e}") for k, v in diff.items()},
        "tokenizer": cases,
        "chat": {"messages": messages, "rendered": rendered,
                 "ids": tokenizer(rendered, add_special_tokens=False)["input_ids"]},
    }  # fmt: skip
    dump_json(out_dir / f"{name}_golden.json", golden)
    return model


def check_llama_cpp(out_dir):
    """When the xllamacpp wheel is there: llama.cpp on the written files, at every position."""
    try:
        import xllamacpp  # noqa: F401
    except ImportError:
        print("xllamacpp is not installed: llama.cpp was not asked")
        return
    from reference import LlamaCpp

    for name in ("tiny", "tiny_tied"):
        golden = json.loads((out_dir / f"{name}_golden.json").read_text(encoding="utf-8"))
        ids = golden["sequences"][golden["logits_sequence"]]["ids"]
        for lora, key in ((None, "logits_base"), (out_dir / "tiny_adapter.gguf", "logits_lora")):
            peer = LlamaCpp(out_dir / f"{name}.gguf", lora, context=CONTEXT)
            worst, asked = 0.0, 0
            for n in range(1, len(ids) + 1):
                got = peer.log_probabilities(ids[:n], VOCAB)
                if got is not None:
                    want = torch.log_softmax(torch.tensor(golden[key][n - 1], dtype=torch.float64), -1)
                    assert len(got) == VOCAB
                    worst = max(worst, max(abs(v - float(want[i])) for i, v in got.items()))
                    asked += 1
            print(f"llama.cpp, {name}, {key}: {asked} positions, largest difference {worst:.1e}")
            assert worst < 2e-5 and asked >= len(ids) - 2
            for case in golden["tokenizer"] + [golden["chat"] | {"text": golden["chat"]["rendered"]}]:
                assert not case["text"] or peer.tokenize(case["text"]) == case["ids"], case
            answer = peer.call("/apply-template", {"messages": golden["chat"]["messages"]})
            assert answer["prompt"] == golden["chat"]["rendered"], answer


def main():
    default = Path(__file__).resolve().parent.parent / "crates/engine/tests/golden"
    out_dir = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    out_dir.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    lora = make_lora()
    make("tiny", False, lora, out_dir)
    make("tiny_tied", True, lora, out_dir)

    # The PEFT directory, written by PEFT itself and read back by it.
    model, _ = hf_peft(make_weights(False), False, lora)
    adapter = out_dir / "tiny_adapter"
    shutil.rmtree(adapter, ignore_errors=True)
    model.save_pretrained(adapter)
    (adapter / "README.md").unlink(missing_ok=True)  # a model card form, left empty by PEFT
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["target_modules"].sort()  # PEFT keeps a set, whose order changes from run to run
    (adapter / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    saved = safetensors.torch.load_file(adapter / "adapter_model.safetensors")
    assert saved.keys() == lora.keys() and all(torch.equal(saved[k], lora[k]) for k in lora)
    again = peft.PeftModel.from_pretrained(hf_model(make_weights(False), False), adapter).eval()
    assert gap(hf_logits(again, SEQUENCES[2]["ids"]), hf_logits(model, SEQUENCES[2]["ids"])) == 0
    write_gguf_lora(out_dir / "tiny_adapter.gguf", lora)
    check_llama_cpp(out_dir)

    for path in sorted(out_dir.rglob("tiny*")) + sorted(adapter.iterdir()):
        if path.is_file():
            print(f"{path.stat().st_size:>8}  {path.relative_to(out_dir)}")


if __name__ == "__main__":
    main()

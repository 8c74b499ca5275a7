"""GGUF files of transformers models, as llama.cpp's converter lays them out, in F32.

Keys, tensor names, row orders and shifts are written down here a second time, apart from the
engine, and `golden_architectures.py` has llama.cpp read the result; with `--llama-cpp SOURCES` it
also compares it with what llama.cpp's own converter writes.
"""

import re

from golden_tiny import CHAT_TEMPLATE, MERGES, close, vocabulary
from reference import permute

import gguf
import numpy as np

LLAMA = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}  # fmt: skip
GEMMA = LLAMA | {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
}  # fmt: skip
FALCON = {
    "input_layernorm": "attn_norm", "ln_attn": "attn_norm_2", "ln_mlp": "attn_norm",
    "self_attention.query_key_value": "attn_qkv", "self_attention.dense": "attn_output",
    "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down",
}  # fmt: skip
OUTSIDE = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "transformer.word_embeddings": "token_embd", "transformer.ln_f": "output_norm",
}  # fmt: skip


def module_names(family):
    return FALCON if family.falcon else GEMMA if family.gemma else LLAMA


def gguf_module(family, module):
    """`model.layers.3.self_attn.q_proj` -> `blk.3.attn_q`."""
    layer = re.fullmatch(r"(?:model\.layers|transformer\.h)\.(\d+)\.(.+)", module)
    if layer is None:
        return OUTSIDE[module]
    return f"blk.{layer[1]}.{module_names(family)[layer[2]]}"


def heads(config):
    kv = getattr(config, "num_key_value_heads", None)
    if config.model_type == "falcon":
        kv = config.num_kv_heads if config.new_decoder_architecture else 1
    return config.num_attention_heads, kv


def reorder_rows(family, config, module, rows):
    """The output rows of a weight, bias or LoRA B in GGUF's order."""
    queries, keys = heads(config)
    if family.architecture in ("llama", "granite"):
        if module.endswith("q_proj"):
            return permute(rows, queries)
        if module.endswith("k_proj"):
            return permute(rows, keys)
    if module.endswith("query_key_value"):
        head_dim = config.hidden_size // queries
        grouped = rows.reshape(keys, queries // keys + 2, head_dim, *rows.shape[1:])
        parts = [grouped[:, :-2], grouped[:, -2], grouped[:, -1]]
        return np.concatenate([p.reshape(-1, *rows.shape[1:]) for p in parts])
    return rows


def tensors(family, model):
    """Every tensor of the model under its GGUF name, float32."""
    for name, value in model.named_parameters():  # names a tied head only once
        module, kind = name.rsplit(".", 1)
        rows = reorder_rows(family, model.config, module, value.detach().numpy())
        shift = 1.0 if family.gemma and name.endswith("norm.weight") else 0.0
        yield f"{gguf_module(family, module)}.{kind}", np.ascontiguousarray(rows + np.float32(shift))


def write_model(path, family, model):
    out = gguf.GGUFWriter(str(path), family.architecture)
    config = model.config
    out.add_type("model")
    out.add_name(f"tiny-{family.name}")
    out.add_file_type(gguf.LlamaFileType.ALL_F32)
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_block_count(config.num_hidden_layers)
    out.add_head_count(heads(config)[0])
    out.add_head_count_kv(heads(config)[1])
    if family.falcon:
        out.add_tensor_data_layout("jploski")
        out.add_feed_forward_length(4 * config.hidden_size)
        out.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        out.add_feed_forward_length(config.intermediate_size)
        out.add_layer_norm_rms_eps(config.rms_norm_eps)
        rotary(out, config)
        if getattr(config, "head_dim", None) and family.architecture != "granite":
            out.add_key_length(config.head_dim)
            out.add_value_length(config.head_dim)
    {
        "llama": llama_keys, "granite": granite_keys, "gemma2": gemma2_keys, "gemma3": gemma3_keys,
    }.get(family.architecture, lambda out, config: None)(out, config)  # fmt: skip
    tokenizer(out)
    for name, value in tensors(family, model):
        out.add_tensor(name, value)
    close(out)


def rotary(out, config):
    parameters = config.rope_parameters
    everywhere = parameters.get("full_attention", parameters)
    out.add_rope_freq_base(everywhere["rope_theta"])
    if everywhere["rope_type"] == "linear":
        out.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        out.add_rope_scaling_factor(everywhere["factor"])
    if "sliding_attention" in parameters:
        out.add_rope_freq_base_swa(parameters["sliding_attention"]["rope_theta"])


def llama_keys(out, config):
    out.add_vocab_size(config.vocab_size)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    out.add_rope_dimension_count(width)
    # llama.cpp neither writes nor reads the window of the first Mistral; the key is the one that
    # it uses for every other architecture.
    if getattr(config, "sliding_window", None):
        out.add_sliding_window(config.sliding_window)


def granite_keys(out, config):
    llama_keys(out, config)
    out.add_attention_scale(config.attention_multiplier)
    out.add_embedding_scale(config.embedding_multiplier)
    out.add_residual_scale(config.residual_multiplier)
    out.add_logit_scale(config.logits_scaling)


def gemma2_keys(out, config):
    out.add_attn_logit_softcapping(config.attn_logit_softcapping)
    out.add_final_logit_softcapping(config.final_logit_softcapping)
    out.add_sliding_window(config.sliding_window)
    # llama.cpp knows the published sizes' two rules; any other scale needs the key, which it ignores.
    width = config.head_dim
    if config.num_hidden_layers == 46:
        width = config.hidden_size // config.num_attention_heads
    if config.query_pre_attn_scalar != width:
        out.add_attention_scale(config.query_pre_attn_scalar**-0.5)


def gemma3_keys(out, config):
    out.add_sliding_window(config.sliding_window)


def tokenizer(out):
    tokens, types = vocabulary()
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("smollm")
    out.add_token_list(tokens)
    out.add_token_types(types)
    out.add_token_merges(MERGES)
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_unk_token_id(0)
    out.add_pad_token_id(0)
    out.add_add_bos_token(False)
    out.add_add_space_prefix(False)
    out.add_chat_template(CHAT_TEMPLATE)


def write_adapter(path, family, config, lora, alpha):
    """A PEFT adapter as llama.cpp wants it: A as it is, B's rows in GGUF's order."""
    out = gguf.GGUFWriter(str(path), family.architecture)
    out.add_type("adapter")
    out.add_string("adapter.type", "lora")
    out.add_float32("adapter.lora.alpha", float(alpha))
    for name, value in lora.items():
        module, half = re.fullmatch(r"base_model\.model\.(.+)\.lora_([AB])\.weight", name).groups()
        rows = value.detach().numpy()
        if half == "B":
            rows = reorder_rows(family, config, module, rows)
        tensor = f"{gguf_module(family, module)}.weight.lora_{half.lower()}"
        out.add_tensor(tensor, np.ascontiguousarray(rows, dtype=np.float32))
    close(out)

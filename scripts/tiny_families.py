"""The tiny random models of every architecture, as transformers builds them.

Each family is a configuration with the traits that set it apart at values that matter: windows
shorter than the texts, soft-caps that bend, multipliers other than one, head widths that are not
`hidden / heads`, norm weights that are not one, biases that are not zero. Weights are large enough
that every part of the network moves the logits, and exactly representable in the type the Hugging
Face directory stores, so that the GGUF file (F32) and the directory hold the same numbers.
"""

import math
from dataclasses import dataclass, field

from reference import versions  # noqa: F401  (sets the environment first)

import torch
import transformers

VOCAB, HIDDEN, CONTEXT, WINDOW = 96, 32, 64, 6


@dataclass
class Family:
    """One architecture: its configuration, and how its files are written."""

    name: str
    config_class: str
    config: dict
    architecture: str  # general.architecture
    dtype: torch.dtype = torch.bfloat16  # of the Hugging Face directory
    shards: str = "1GB"
    # Configurations that llama.cpp's rules for this architecture give when the committed one
    # needs metadata which llama.cpp does not read.
    llama_cpp_variants: dict = field(default_factory=lambda: {"as committed": {}})
    llama_cpp_ignores_window: bool = False
    seed: int = 0

    @property
    def falcon(self):
        return self.architecture == "falcon"

    @property
    def gemma(self):
        return self.architecture.startswith("gemma")

    def targets(self):
        """The linear layers that LoRA adapts, by their last name."""
        if self.falcon:
            return ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]
        return ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def common(**changes):
    return {
        "vocab_size": VOCAB, "hidden_size": HIDDEN, "intermediate_size": 40, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": CONTEXT,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    } | changes  # fmt: skip


def rope(theta):
    return {"rope_type": "default", "rope_theta": theta}


def falcon(**changes):
    return {
        "vocab_size": VOCAB, "hidden_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 4,
        "parallel_attn": True, "bias": False, "alibi": False, "layer_norm_epsilon": 1e-5,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "max_position_embeddings": 2048,
        "rope_parameters": rope(10_000.0), "ffn_hidden_size": 4 * HIDDEN,
    } | changes  # fmt: skip


GEMMA3_ROPE = {
    "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1_000_000.0},
    "sliding_attention": rope(10_000.0),
}

FAMILIES = [
    Family(
        "mistral", "MistralConfig",
        common(sliding_window=WINDOW, rms_norm_eps=1e-5, rope_parameters=rope(10_000.0),
               tie_word_embeddings=False),
        "llama", dtype=torch.float32, llama_cpp_ignores_window=True, seed=11,
    ),
    Family(
        "granite", "GraniteConfig",
        common(embedding_multiplier=3.0, residual_multiplier=0.6, attention_multiplier=0.2,
               logits_scaling=2.5, rms_norm_eps=1e-5, rope_parameters=rope(10_000.0),
               tie_word_embeddings=True),
        "granite", dtype=torch.float16, seed=12,
    ),
    Family(
        "falcon-7b", "FalconConfig",
        falcon(multi_query=True, new_decoder_architecture=False), "falcon", seed=13,
    ),
    Family(
        "falcon-40b", "FalconConfig",
        falcon(new_decoder_architecture=True, num_kv_heads=2), "falcon", seed=14,
    ),
    Family(
        "falcon3", "LlamaConfig",
        common(head_dim=16, num_attention_heads=4, num_key_value_heads=1, rms_norm_eps=1e-6,
               rope_parameters=rope(1_000_042.0), tie_word_embeddings=False,
               hidden_act="silu", attention_bias=False, mlp_bias=False),
        "llama", shards="24KB", seed=15,
    ),
    Family(
        "gemma2", "Gemma2Config",
        common(head_dim=16, num_attention_heads=2, num_key_value_heads=1, sliding_window=WINDOW,
               query_pre_attn_scalar=24, attn_logit_softcapping=5.0, final_logit_softcapping=3.0,
               rms_norm_eps=1e-6, rope_parameters=rope(10_000.0),
               hidden_activation="gelu_pytorch_tanh", tie_word_embeddings=True),
        "gemma2", seed=16,
        # llama.cpp takes the scale from the head width, and from the model's width at 46 layers.
        llama_cpp_variants={
            "scale by head width": {"query_pre_attn_scalar": 16},
            "46 layers, scale by model width": {
                "query_pre_attn_scalar": 8, "num_hidden_layers": 46, "num_attention_heads": 4,
                "layer_types": ["sliding_attention", "full_attention"] * 23,
            },
        },
    ),
    Family(
        "gemma3", "Gemma3TextConfig",
        common(head_dim=16, num_attention_heads=2, num_key_value_heads=1, num_hidden_layers=7,
               intermediate_size=24, sliding_window=WINDOW, query_pre_attn_scalar=16,
               rms_norm_eps=1e-6, rope_parameters=GEMMA3_ROPE,
               layer_types=["full_attention" if i % 6 == 5 else "sliding_attention" for i in range(7)],
               hidden_activation="gelu_pytorch_tanh", tie_word_embeddings=True),
        "gemma3", seed=17,
    ),
    Family(
        "qwen2", "Qwen2Config",
        common(rms_norm_eps=1e-6, rope_parameters=rope(1_000_000.0), use_sliding_window=False,
               tie_word_embeddings=True),
        "qwen2", seed=18,
    ),
    Family(
        "qwen3", "Qwen3Config",
        common(head_dim=16, num_attention_heads=4, num_key_value_heads=1, rms_norm_eps=1e-6,
               rope_parameters=rope(1_000_000.0), use_sliding_window=False, attention_bias=False,
               tie_word_embeddings=False),
        "qwen3", seed=19,
    ),
]  # fmt: skip


def build(family, changes=None):
    """The family's model in float32 with eager attention and its random weights."""
    config = getattr(transformers, family.config_class)(**(family.config | (changes or {})))
    config._attn_implementation = "eager"
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    model = model.float().eval()
    assert model.config._attn_implementation == "eager"
    generator = torch.Generator().manual_seed(family.seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(random_weight(family, model.config, name, value.shape, generator))
    model.tie_weights()
    return model


def random_weight(family, config, name, shape, generator):
    """One parameter, rounded to what the directory's type can hold."""
    noise = torch.randn(*shape, generator=generator, dtype=torch.float32)
    if "embed" in name:
        scale = getattr(config, "embedding_multiplier", 1.0)
        value = noise * 0.7 / (math.sqrt(HIDDEN) if family.gemma else scale)
    elif name.endswith("bias"):
        value = noise * 0.2
    elif len(shape) == 1:  # a norm; Gemma's counts from -1
        value = noise * 0.2 + (0.0 if family.gemma else 1.0)
    elif name.startswith("lm_head"):
        value = noise / math.sqrt(shape[1])
    else:
        value = noise * 1.2 / math.sqrt(shape[1])
    return value.to(family.dtype).float()

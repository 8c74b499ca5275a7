"""What the reference scripts share: the two peers that the engine is compared with.

* transformers' GGUF loader: weights dequantised to float32, eager attention, and a tokenizer
  built here from the vocabulary and the merges in the GGUF file;
* llama.cpp, through the `xllamacpp` wheel, which is asked over its own local HTTP server.

The product imports none of this.
"""

import importlib.metadata
import json
import os
import sys
import tempfile
import urllib.request
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def versions(*names):
    return {n: importlib.metadata.version(n).split("+")[0] for n in names}


# ---------------------------------------------------------------------------- GGUF


def fields(path):
    """The metadata of a GGUF file as plain Python values."""
    import gguf

    return {k: f.contents() for k, f in gguf.GGUFReader(str(path)).fields.items() if "." in k}


def dequantised_tensors(path):
    """Every tensor as float32 in GGUF's own row order, by the gguf package."""
    import gguf

    for t in gguf.GGUFReader(str(path)).tensors:
        yield t.name, gguf.quants.dequantize(t.data, t.tensor_type).astype("float32")


def dequantised_copy(source, target):
    """The same model with every tensor stored as F32.

    llama.cpp rounds the activations to 8 bits wherever a weight is quantised, so a quantised file
    cannot check a float32 engine. With F32 weights it computes in float32.
    """
    import gguf

    reader = gguf.GGUFReader(str(source))
    meta = fields(source)
    out = gguf.GGUFWriter(str(target), meta["general.architecture"])
    for key, field in reader.fields.items():
        if "." not in key or key in ("general.architecture", "general.quantization_version"):
            continue
        if key == "general.file_type":
            out.add_file_type(gguf.LlamaFileType.ALL_F32)
            continue
        kind = field.types[0]
        sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        out.add_key_value(key, field.contents(), kind, sub_type=sub)
    for name, values in dequantised_tensors(source):
        out.add_tensor(name, values)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def permute(x, heads):
    """Hugging Face row order of q or k (weight, or a LoRA's B) to llama.cpp's."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def unpermute(x, heads):
    """The inverse of `permute`."""
    return x.reshape(heads, x.shape[0] // heads // 2, 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


# ---------------------------------------------------------------------------- transformers


def hf_model(path):
    """LlamaForCausalLM in float32 with eager attention, out of a GGUF file."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    path = Path(path).resolve()
    model = AutoModelForCausalLM.from_pretrained(
        str(path.parent), gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    assert model.config._attn_implementation == "eager"
    assert all(p.dtype == torch.float32 for p in model.parameters())
    return model


def hf_tokenizer(path):
    """The tokenizer that transformers itself derives from the GGUF file."""
    from transformers import AutoTokenizer

    path = Path(path).resolve()
    return AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)


def smollm_tokenizer(path, specials=True):
    """SmolLM's published pipeline over the vocabulary and merges of the GGUF file.

    Every numeric character is a piece of its own, then GPT-2's regex and byte alphabet, then BPE.
    Without `specials`, text that spells a control token is tokenized as ordinary text.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    meta = fields(path)
    assert meta["tokenizer.ggml.model"] == "gpt2" and meta["tokenizer.ggml.pre"] == "smollm"
    tokens, types = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    merges = [tuple(m.split(" ")) for m in meta["tokenizer.ggml.merges"]]
    tok = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tok.decoder = decoders.ByteLevel()
    if specials:
        tok.add_special_tokens(
            [AddedToken(t, special=True, normalized=False) for t, k in zip(tokens, types) if k == 3]
        )
    return tok


def hf_greedy(model, ids, new_tokens, eos):
    """Greedy ids, and at each step the gap between the two largest logits."""
    import torch

    out, gaps, cache = [], [], None
    feed = torch.tensor([ids])
    with torch.no_grad():
        while len(out) < new_tokens:
            step = model(input_ids=feed, past_key_values=cache, use_cache=True)
            cache = step.past_key_values
            top = torch.topk(step.logits[0, -1], 2)
            out.append(int(top.indices[0]))
            gaps.append(float(top.values[0] - top.values[1]))
            if out[-1] == eos:
                break
            feed = torch.tensor([[out[-1]]])
    return out, gaps


# ---------------------------------------------------------------------------- llama.cpp


class LlamaCpp:
    """llama.cpp's server inside this process, in float32 where the weights are F32.

    One slot, one thread, no prompt cache, no flash attention, and an F32 key/value cache (the
    default is F16). Requests go to its HTTP routes, since the wheel's Python object has no
    tokenize call.
    """

    def __init__(self, model, lora=None, context=1024):
        import xllamacpp as x

        p = x.CommonParams()
        p.model.path = str(model)
        p.n_ctx, p.n_parallel, p.n_gpu_layers = context, 1, 0
        p.warmup, p.cache_prompt, p.verbosity, p.port = False, False, 0, 0
        p.cpuparams.n_threads = p.cpuparams_batch.n_threads = int(os.environ["OMP_NUM_THREADS"])
        p.flash_attn_type = x.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        p.cache_type_k = p.cache_type_v = x.ggml_type.GGML_TYPE_F32
        if lora is not None:
            p.lora_adapters = [x.CommonAdapterLoraInfo(str(lora), 1.0)]
        self.server = x.Server(p)
        if lora is not None:
            adapters = self.call("/lora-adapters")
            assert [a["scale"] for a in adapters] == [1.0], adapters

    def call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.server.listening_address + path, data=data, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.loads(answer.read())

    def tokenize(self, text, parse_special=True):
        body = {"content": text, "add_special": False, "parse_special": parse_special}
        return self.call("/tokenize", body)["tokens"]

    def greedy(self, prompt, new_tokens, stop=()):
        """Greedy continuation of a text or of a list of ids: its text, without the end token."""
        body = {
            "prompt": prompt, "n_predict": new_tokens, "temperature": 0, "samplers": ["temperature"],
            "cache_prompt": False, "return_tokens": True, "stop": list(stop),
        }  # fmt: skip
        answer = self.call("/completion", body)
        return answer["content"], answer["tokens"]

    def log_probabilities(self, ids, count):
        """{id: log probability} of the next token, the `count` most likely ones.

        None when the most likely token is half a character: the server holds such a token back
        and says nothing about it.
        """
        body = {"prompt": ids, "n_predict": 1, "temperature": 0, "n_probs": count, "cache_prompt": False}
        steps = self.call("/completion", body).get("completion_probabilities")
        return {e["id"]: e["logprob"] for e in steps[0]["top_logprobs"]} if steps else None


def temporary_directory():
    return tempfile.TemporaryDirectory(prefix="autodidact-reference-")


def fail(message):
    print(message, file=sys.stderr)
    sys.exit(1)

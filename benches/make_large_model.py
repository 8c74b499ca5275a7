"""A llama-shaped GGUF file of any size with random weights, to measure what trained ones would cost.

    python3 benches/make_large_model.py --like SmolLM2-135M-Instruct.Q4_1.gguf --shape 7B OUT.gguf [--seed 1]

Weights are random blocks in the mixture llama.cpp calls Q4_K_M (Q6_K where it has them: half of the
value and down projections, and the head), with scales that make their mean nought and their deviation
that of a fresh model, so that numbers stay finite through all layers. Tokenizer and vocabulary are
copied from `--like`. Nothing but Python's own library; written tensor by tensor, about 4 GB for 7B.
"""

import argparse
import math
import random
import struct
from pathlib import Path

# Hidden size, layers, query heads, key/value heads, feed-forward size, whether the head is the embedding.
SHAPES = {
    "15M": (256, 4, 4, 2, 768, True),
    "60M": (512, 12, 8, 4, 1536, True),
    "135M": (768, 16, 12, 4, 2048, True),
    "360M": (1024, 28, 16, 4, 2816, True),
    "1B": (2048, 20, 32, 8, 5632, True),
    "7B": (4096, 32, 32, 8, 14336, False),
}
F32, Q4_K, Q6_K = 0, 12, 14
# Bytes of a block of 256 weights.
BLOCK = {Q4_K: 144, Q6_K: 210}
ALIGNMENT = 32
STRING, ARRAY = 8, 9
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


class Metadata:
    """The metadata of a GGUF file, each entry as the bytes it has there."""

    def __init__(self, path):
        # The header stands before the tensors; tokenizers are a few megabytes at most.
        self.bytes = Path(path).read_bytes()[: 64 << 20]
        magic, version, _, count = struct.unpack_from("<4sIQQ", self.bytes)
        if magic != b"GGUF" or version < 2:
            raise SystemExit(f"{path} is not a GGUF file of version 2 or later")
        self.entries, at = {}, 24
        for _ in range(count):
            begin = at
            at, key = self._text(at)
            kind = struct.unpack_from("<I", self.bytes, at)[0]
            at = self._skip(at + 4, kind)
            self.entries[key.decode()] = self.bytes[begin:at]

    def _text(self, at):
        length = struct.unpack_from("<Q", self.bytes, at)[0]
        return at + 8 + length, self.bytes[at + 8 : at + 8 + length]

    def _skip(self, at, kind):
        if kind == STRING:
            return self._text(at)[0]
        if kind != ARRAY:
            return at + SIZES[kind]
        kind, count = struct.unpack_from("<IQ", self.bytes, at)
        at += 12
        for _ in range(count if kind == STRING else 0):
            at = self._text(at)[0]
        return at if kind == STRING else at + count * SIZES[kind]

    def vocabulary(self):
        entry = self.entries["tokenizer.ggml.tokens"]
        return struct.unpack_from("<Q", entry, 8 + len("tokenizer.ggml.tokens") + 8)[0]


def number(key, value):
    packed = struct.pack("<If", 6, value) if isinstance(value, float) else struct.pack("<II", 4, value)
    return text(key) + packed


def metadata(like, shape, name, context):
    hidden, layers, heads, kv_heads, feed_forward, _ = shape
    facts = {
        "block_count": layers, "context_length": context, "embedding_length": hidden,
        "feed_forward_length": feed_forward, "attention.head_count": heads,
        "attention.head_count_kv": kv_heads, "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.dimension_count": hidden // heads, "rope.freq_base": 10000.0,
        "vocab_size": like.vocabulary(),
    }  # fmt: skip
    entries = [text(key) + struct.pack("<I", STRING) + text(value)
               for key, value in (("general.architecture", "llama"), ("general.name", f"random-{name}"))]
    entries += [number(f"llama.{key}", value) for key, value in facts.items()]
    return entries + [entry for key, entry in like.entries.items() if key.startswith("tokenizer.")]


def tensors(shape, vocabulary):
    """Name, sizes (fastest first) and type of every tensor."""
    hidden, layers, heads, kv_heads, feed_forward, tied = shape
    keys = hidden // heads * kv_heads
    yield "token_embd.weight", (hidden, vocabulary), Q6_K if tied else Q4_K
    for layer in range(layers):
        # llama.cpp's mixture gives more bits to the first and last eighth and every third between.
        eighth = layers // 8
        more = layer < eighth or layer >= layers - eighth or (layer - eighth) % 3 == 2
        fine = Q6_K if more else Q4_K
        for name, sizes, kind in (
            ("attn_norm", (hidden,), F32), ("attn_q", (hidden, hidden), Q4_K),
            ("attn_k", (hidden, keys), Q4_K), ("attn_v", (hidden, keys), fine),
            ("attn_output", (hidden, hidden), Q4_K), ("ffn_norm", (hidden,), F32),
            ("ffn_gate", (hidden, feed_forward), Q4_K), ("ffn_up", (hidden, feed_forward), Q4_K),
            ("ffn_down", (feed_forward, hidden), fine),
        ):  # fmt: skip
            yield f"blk.{layer}.{name}.weight", sizes, kind
    yield "output_norm.weight", (hidden,), F32
    if not tied:
        yield "output.weight", (hidden, vocabulary), Q6_K


def length(sizes, kind):
    weights = math.prod(sizes)
    return weights * 4 if kind == F32 else weights // 256 * BLOCK[kind]


def spread(buffer, at, block, pattern):
    """Writes `pattern` at the same place of every block."""
    for i, byte in enumerate(pattern):
        buffer[at + i :: block] = bytes([byte]) * (len(buffer) // block)


def blocks(draw, kind, deviation, count):
    """So many random blocks whose weights have mean nought and the given standard deviation."""
    block = BLOCK[kind]
    buffer = bytearray(draw.randbytes(block * count))
    if kind == Q4_K:
        # d * scale * q - dmin * minimum with six random bits of scale and minimum and four of q: the mean
        # is nought where dmin is 7.5 d, and the deviation is then 258 d.
        d = deviation / 258
        spread(buffer, 0, block, struct.pack("<ee", d, 7.5 * d))
    else:
        # d * scale * (q - 32) with eight signed bits of scale and six of q: the deviation is 1366 d.
        spread(buffer, block - 2, block, struct.pack("<e", deviation / 1366))
    return buffer


def write(out, like, name, context, seed):
    shape, draw = SHAPES[name], random.Random(seed)
    listed = list(tensors(shape, like.vocabulary()))
    entries = metadata(like, shape, name, context)
    infos, offset = [], 0
    for tensor, sizes, kind in listed:
        infos.append(text(tensor) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset))
        offset += -(-length(sizes, kind) // ALIGNMENT) * ALIGNMENT
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(listed), len(entries)) + b"".join(entries + infos)
    with open(out, "wb") as file:
        file.write(head + bytes(-len(head) % ALIGNMENT))
        for _, sizes, kind in listed:
            wanted = length(sizes, kind)
            if kind == F32:
                file.write(struct.pack("<f", 1.0) * sizes[0])
            # A few megabytes of blocks at a time.
            left = 0 if kind == F32 else wanted // BLOCK[kind]
            while left:
                count = min(left, 1 << 15)
                file.write(blocks(draw, kind, 1 / math.sqrt(sizes[0]), count))
                left -= count
            file.write(bytes(-wanted % ALIGNMENT))
    return sum(math.prod(sizes) for _, sizes, _ in listed)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("out")
    options.add_argument("--like", required=True, help="a GGUF file whose tokenizer is copied")
    options.add_argument("--shape", choices=SHAPES, default="7B")
    options.add_argument("--context", type=int, default=4096)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    parameters = write(given.out, Metadata(given.like), given.shape, given.context, given.seed)
    print(f"{parameters / 1e6:,.0f} million weights, {Path(given.out).stat().st_size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()

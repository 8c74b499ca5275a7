#!/usr/bin/env python3
"""Golden values of every storage type the engine reads.

    python scripts/golden_quants.py [OUT_DIR]   # default: crates/engine/tests/golden

Writes quants.gguf: for each type a tensor `TYPE.stored` of random blocks, so that every bit of a
block matters, and a tensor `TYPE.expected` (F32) with what the gguf package dequantises them to.
Scales are halves of every size, negative and subnormal ones included, but finite.

Needs: gguf, numpy.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter

ROWS, COLUMNS = 6, 256

# Where the halves stand in a block: scales, and minima where there are any.
HALVES = {
    Type.Q4_0: [0],
    Type.Q4_1: [0, 2],
    Type.Q5_0: [0],
    Type.Q5_1: [0, 2],
    Type.Q8_0: [0],
    Type.Q4_K: [0, 2],
    Type.Q5_K: [0, 2],
    Type.Q6_K: [208],
}


def finite_halves(gen, count):
    """Random bits of halves, without infinities and NaN."""
    bits = gen.integers(0, 1 << 16, count, dtype=np.uint16)
    exponent_full = (bits & 0x7C00) == 0x7C00
    return np.where(exponent_full, bits & 0xBFFF, bits).astype(np.uint16)


def random_blocks(gen, kind):
    """ROWS rows of COLUMNS random weights as bytes, `[ROWS][bytes of a row]`."""
    weights, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = gen.integers(0, 256, (ROWS * COLUMNS // weights, size), dtype=np.uint8)
    for at in HALVES[kind]:
        blocks[:, at : at + 2] = finite_halves(gen, len(blocks)).reshape(-1, 1).view(np.uint8)
    return blocks.reshape(ROWS, -1)


def plain(gen, kind):
    """The same for the types without blocks, infinities included."""
    if kind == Type.F32:
        return gen.standard_normal((ROWS, COLUMNS)).astype(np.float32).view(np.uint8)
    bits = finite_halves(gen, ROWS * COLUMNS)
    if kind == Type.BF16:
        bits = np.where((bits & 0x7F80) == 0x7F80, bits & 0xBFFF, bits).astype(np.uint16)
    bits[:2] = [0x7C00, 0xFC00] if kind == Type.F16 else [0x7F80, 0xFF80]
    return bits.reshape(ROWS, COLUMNS).view(np.uint8)


def main():
    default = Path(__file__).resolve().parent.parent / "crates/engine/tests/golden"
    out_dir = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    gen = np.random.default_rng(11)
    writer = GGUFWriter(out_dir / "quants.gguf", "none")
    writer.add_string("made_by", f"scripts/golden_quants.py with gguf {version('gguf')}")
    for kind in [Type.F32, Type.F16, Type.BF16, *HALVES]:
        stored = random_blocks(gen, kind) if kind in HALVES else plain(gen, kind)
        expected = gguf.dequantize(stored, kind).astype(np.float32)
        assert expected.shape == (ROWS, COLUMNS), kind
        assert not np.isnan(expected).any(), kind
        name = kind.name.lower()
        writer.add_tensor(f"{name}.stored", stored, raw_dtype=kind)
        writer.add_tensor(f"{name}.expected", expected)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()

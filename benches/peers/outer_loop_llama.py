"""llama.cpp as the sampling side of `outer_loop_vs_python.py`; training is `outer_loop_transformers.py`.

`python outer_loop_llama.py convert MODEL.gguf PEFT_DIRECTORY ADAPTER.gguf` writes a PEFT adapter as llama.cpp
reads it with `--lora` (what its `convert_lora_to_gguf.py` does for the llama architecture).

`python outer_loop_llama.py generate JOB.json` answers the job's prompts. What a user would write is
`llama_cpp.Llama(...)` in a loop, one sequence after another: the Python binding cannot decode several
at once. This drives `llama-server` instead, the fastest way it offers (`benches/llama.py`): many slots, a
question evaluated once for all its samples.
"""

import json
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from llama import LlamaServer

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def convert(model, directory, out):
    import gguf
    from safetensors.numpy import load_file

    fields = gguf.GGUFReader(model).fields
    heads = {
        "attn_q": int(fields["llama.attention.head_count"].contents()),
        "attn_k": int(fields["llama.attention.head_count_kv"].contents()),
    }
    config = json.loads((Path(directory) / "adapter_config.json").read_text())
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(config["lora_alpha"]))
    for key, value in load_file(Path(directory) / "adapter_model.safetensors").items():
        layer, linear, half = re.search(r"layers\.(\d+)\.(\w+\.\w+)\.lora_([AB])\.weight$", key).groups()
        name = NAMES[linear]
        if half == "B" and name in heads:
            # llama.cpp keeps the two halves of a rotated head interleaved.
            rows, rank = value.shape
            value = value.reshape(heads[name], 2, rows // heads[name] // 2, rank).swapaxes(1, 2).reshape(rows, rank)
        writer.add_tensor(f"blk.{layer}.{name}.weight.lora_{half.lower()}", value.copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def generate(path):
    job = json.loads(Path(path).read_text())
    out = Path(job["out"])
    empty = {"seconds": 0.0, "load_seconds": 0.0, "peak_bytes": 0, "answers": []}
    state = json.loads(out.read_text()) if out.exists() else empty
    body = {
        "n_predict": job["max_tokens"], "temperature": job["temperature"], "seed": job["seed"],
        "stop": job["stops"], "samplers": ["temperature"],
    }  # fmt: skip
    more = ["--lora", job["adapter"]] if job["adapter"] else []
    begun = time.monotonic()
    with LlamaServer(
        job["llama"], job["model"], job["slots"], job["context"], job["threads"],
        samples=job["samples"], cache=job["cache"], flash=job["flash"], more=more,
    ) as server:  # fmt: skip
        state["load_seconds"] = time.monotonic() - begun
        begun = time.monotonic()
        # Without a limit all prompts are under way at once; with one there are pauses to look at the clock.
        size = 128 if job["at_most"] else len(job["prompts"])
        while len(state["answers"]) < len(job["prompts"]):
            at = len(state["answers"])
            for several in server.complete(job["prompts"][at : at + size], body):
                several = [{"text": a["content"].strip(), "tokens": a["tokens_predicted"]} for a in several]
                state["answers"].append(several)
            if job["at_most"] and time.monotonic() - begun > job["at_most"]:
                break
        state["seconds"] += time.monotonic() - begun
        state["peak_bytes"] = max(state["peak_bytes"], server.peak_bytes())
    out.write_text(json.dumps(state))
    print(f"  {len(state['answers'])} of {len(job['prompts'])} prompts, {state['seconds']:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    {"convert": convert, "generate": generate}[sys.argv[1]](*sys.argv[2:])

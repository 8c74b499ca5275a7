"""llama.cpp as a peer of the benchmarks: its server, driven the fastest way it offers.

The tools are not on PyPI, but their sources are: inside the source distribution of `llama-cpp-python`.

    pip download --no-deps --no-binary :all: llama-cpp-python==0.3.36
    tar xzf llama_cpp_python-0.3.36.tar.gz
    cmake -S llama_cpp_python-0.3.36/vendor/llama.cpp -B llama -DCMAKE_BUILD_TYPE=Release \
        -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF \
        -DLLAMA_BUILD_EXAMPLES=OFF
    cmake --build llama -j --target llama-server llama-batched-bench llama-quantize

`--llama llama/bin` then. (If pip wants to build the package first, take the .tar.gz from its page on PyPI.)
"""

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def peak_bytes(pid):
    """The most memory a process has held; 0 once it is gone."""
    try:
        for line in open(f"/proc/{pid}/status"):
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def quantized(tools, model, kind, directory):
    """The model with its weights stored as `kind` (`F32`, `Q8_0` ...), made once by llama-quantize."""
    target = Path(directory) / f"{Path(model).stem}.{kind}.gguf"
    if not target.exists():
        part = target.with_suffix(".part")
        command = [Path(tools) / "llama-quantize", "--allow-requantize", model, part, kind]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"llama-quantize to {kind}: {done.stderr[-400:]}")
        part.rename(target)
    return target


def batched_bench(tools, model, threads, prompt, new, slots, context, *more):
    """llama-batched-bench: tokens a second of decoding alone, without sampling, behind one shared prompt."""
    command = [
        Path(tools) / "llama-batched-bench", "-m", model, "-t", threads, "-npp", prompt, "-pps", "-ntg", new,
        "-npl", slots, "-c", context, "--output-format", "jsonl", *more,
    ]  # fmt: skip
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            return json.loads(line)["speed_tg"]
    raise RuntimeError(f"llama-batched-bench: {done.stderr[-400:]}")


class LlamaServer:
    """`llama-server` over one model.

    `slots` sequences at once, each with room for `context` tokens, `samples` of them for each prompt.
    `cache` is the type of keys and values, `flash` is `on`, `off` or `auto`, `unified` puts all
    sequences into one cache.

    A request for `n` completions is evaluated once, in its own slot, and copied to n - 1 others, which
    forget everything when they are done. So the last `slots / samples` slots are kept for asking
    and never lose the shared prefix; the server takes the first free ones for copies.
    """

    def __init__(
        self, tools, model, slots, context, threads, samples=1, cache="f32", flash="off", unified=False, more=()
    ):  # fmt: skip
        self.port, self.samples = free_port(), samples
        self.asking = range(slots - slots // samples, slots)
        self._saved = tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        command = [
            Path(tools) / "llama-server", "-m", model, "--port", self.port, "-np", slots,
            "-c", slots * context, "-t", threads, "-tb", threads, "-ctk", cache, "-ctv", cache,
            "-fa", flash, "-kvu" if unified else "-no-kvu", "--no-warmup", "--cache-ram", 0,
            "--threads-http", min(slots + 2, 72), "--no-webui", "--log-disable",
            "--slot-save-path", self._saved.name, *more,
        ]  # fmt: skip
        self.process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait()

    def _wait(self):
        begun = time.monotonic()
        while time.monotonic() - begun < 600:
            if self.process.poll() is not None:
                raise RuntimeError(f"llama-server ended with {self.process.returncode}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("llama-server did not start")

    def post(self, path, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=3600) as answer:
            return json.loads(answer.read())

    def share(self, prefix):
        """Computes a prefix once and copies its keys and values to every slot that is asked."""
        first, *others = self.asking
        self.post("/completion", {"prompt": prefix, "n_predict": 1, "cache_prompt": True, "id_slot": first})
        if others:
            self.post(f"/slots/{first}?action=save", {"filename": "prefix"})
        for slot in others:
            self.post(f"/slots/{slot}?action=restore", {"filename": "prefix"})

    def complete(self, prompts, body):
        """For each prompt its list of answers; a slot asks the next prompt once its last is done."""
        waiting = deque(enumerate(prompts))
        answers = [None] * len(prompts)

        def ask(slot):
            while True:
                try:
                    at, prompt = waiting.popleft()
                except IndexError:
                    return
                request = {"cache_prompt": True, "n": self.samples, "id_slot": slot, **body, "prompt": prompt}
                answer = self.post("/completion", request)
                answers[at] = answer if isinstance(answer, list) else [answer]

        with ThreadPoolExecutor(len(self.asking)) as pool:
            list(pool.map(ask, self.asking))
        return answers

    def peak_bytes(self):
        return peak_bytes(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._saved.cleanup()


class PeakMemory:
    """The largest sum of resident memory of a process and its children, asked ten times a second."""

    def __init__(self, pid=None):
        self.pid, self.bytes, self._over = pid or os.getpid(), 0, threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self):
        while not self._over.wait(0.1):
            self.bytes = max(self.bytes, resident(self.pid))

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def resident(pid):
    """Resident bytes of a process and all below it."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(resident(int(child)) for child in children)

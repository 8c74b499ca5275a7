"""A mock that answers every chat completion after a pause and counts what is open meanwhile.

`python slow_mock.py SECONDS` prints `ready URL`. `GET /peak` says how many requests arrived and how
many were open at once at most.
"""

import asyncio
import json
import sys

PAUSE = float(sys.argv[1])
TEXT = "17 times 20 is 340, and 17 times 3 is 51. The answer is 391."
BODY = json.dumps(
    {
        "id": "chatcmpl-slow",
        "object": "chat.completion",
        "created": 1,
        "model": "bench",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": TEXT}}
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": 25, "total_tokens": 45},
    }
).encode()


class Connection(asyncio.Protocol):
    open = peak = requests = 0

    def connection_made(self, transport):
        self.transport = transport
        self.received = b""

    def data_received(self, data):
        self.received += data
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if not end:
            return
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line[15:])
        if len(rest) < length:
            return
        self.received = rest[length:]
        if head.startswith(b"GET /peak"):
            said = {"requests": Connection.requests, "peak": Connection.peak}
            self.answer(json.dumps(said).encode())
            return
        Connection.requests += 1
        Connection.open += 1
        Connection.peak = max(Connection.peak, Connection.open)
        asyncio.get_running_loop().call_later(PAUSE, self.done)

    def done(self):
        Connection.open -= 1
        self.answer(BODY)

    def answer(self, body):
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=4096)
    print(f"ready http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


asyncio.run(main())

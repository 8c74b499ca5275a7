"""The official openai client: an asyncio loop with a semaphore, as its documentation shows it.

With `aiohttp` as a fourth argument it runs on aiohttp instead of httpx.
"""

import asyncio
import sys

from measure import arguments, measured
from openai import AsyncOpenAI

URL, QUESTIONS, CONCURRENCY = arguments()
TRANSPORT = sys.argv[4] if len(sys.argv) > 4 else "httpx"


async def ask_all():
    options = {}
    if TRANSPORT == "aiohttp":
        from openai import DefaultAioHttpClient

        options["http_client"] = DefaultAioHttpClient()
    at_once = asyncio.Semaphore(CONCURRENCY)
    async with AsyncOpenAI(base_url=URL, api_key="none", **options) as client:

        async def ask(question):
            async with at_once:
                answer = await client.chat.completions.create(
                    model="bench",
                    messages=[{"role": "user", "content": question}],
                    max_tokens=1024,
                    temperature=0.7,
                )
                return answer.choices[0].message.content

        answers = await asyncio.gather(*(ask(question) for question in QUESTIONS))
    return sum("391" in answer for answer in answers)


measured(lambda: asyncio.run(ask_all()))

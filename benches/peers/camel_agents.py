"""CAMEL without its pipeline: an asyncio loop of one ChatAgent a question, `astep`."""

import asyncio

from camel_cot import CONCURRENCY, QUESTIONS, ChatAgent, model
from measure import measured

MODEL = model()


async def ask_all():
    at_once = asyncio.Semaphore(CONCURRENCY)

    async def ask(question):
        async with at_once:
            agent = ChatAgent("You are a careful reasoner.", model=MODEL)
            answer = await agent.astep(question)
            return answer.msgs[0].content

    answers = await asyncio.gather(*(ask(question) for question in QUESTIONS))
    return sum("391" in answer for answer in answers)


measured(lambda: asyncio.run(ask_all()))

"""Runs tests that are coroutines, each in a new event loop and with a time-out."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args, **kwargs):
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 20))

    return run


async def until(condition: Callable[[], Any]) -> None:
    while not condition():  # noqa: ASYNC110 - the test's time-out ends the loop
        await asyncio.sleep(0.01)

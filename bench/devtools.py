"""The bare DevTools loop: Chromium's own speed of taking pictures, without guard, sandbox and checks.

Shares no code with the engine, so that the two share no mistakes.
"""

import asyncio
import base64
import contextlib
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

CHROMIUM = "/usr/lib/chromium/chromium-headless-shell"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--hide-scrollbars",
    "--mute-audio",
    "--no-first-run",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-breakpad",
    "--force-color-profile=srgb",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-features=Translate,OptimizationHints,MediaRouter,PaintHolding",
)


class Pipe:
    """The DevTools pipe: NUL-separated JSON. Each call waits for its answer, each page for its load event."""

    def __init__(self, reader: asyncio.StreamReader, write_fd: int) -> None:
        self._reader = reader
        self._write_fd = write_fd
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[dict]] = {}
        self._loads: dict[str, asyncio.Queue[str]] = {}

    async def receive(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                message = json.loads((await self._reader.readuntil(b"\0"))[:-1])
                if answer := self._answers.pop(message.get("id", 0), None):
                    answer.set_result(message)
                elif message.get("method") == "Page.lifecycleEvent" and message["params"]["name"] == "load":
                    self._loads[message["sessionId"]].put_nowait(message["params"]["loaderId"])

    def send(self, method: str, session: str | None = None, **params: object) -> asyncio.Future[dict]:
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        os.write(self._write_fd, json.dumps(message).encode() + b"\0")
        return answer

    async def call(self, method: str, session: str | None = None, **params: object) -> dict:
        answer = await self.send(method, session, **params)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    async def capture(self, url: str) -> int:
        """Capture `url` in a new context and return the picture's size in bytes."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = await self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        session = attached["sessionId"]
        loaded = self._loads[session] = asyncio.Queue()
        self.send("Page.enable", session)
        self.send("Page.setLifecycleEventsEnabled", session, enabled=True)
        size = {"width": 1280, "height": 720, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", session, **size)
        document = (await self.call("Page.navigate", session, url=url))["loaderId"]
        while await loaded.get() != document:
            pass  # the event was about:blank's
        shot = await self.call("Page.captureScreenshot", session, format="png", optimizeForSpeed=True)
        await self.call("Target.disposeBrowserContext", browserContextId=context)
        del self._loads[session]
        return len(base64.b64decode(shot["data"]))


@asynccontextmanager
async def bare_browser() -> AsyncIterator[Pipe]:
    to_browser, write_fd = os.pipe()
    read_fd, from_browser = os.pipe()

    def wire() -> None:
        """Put the pipe on descriptors 3 and 4, which Chromium expects. Our own may be 3 and 4, so go through others."""
        os.dup2(to_browser, 103)
        os.dup2(from_browser, 104)
        os.dup2(103, 3)
        os.dup2(104, 4)

    with tempfile.TemporaryDirectory() as profile:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM,
            *FLAGS,
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            preexec_fn=wire,
            pass_fds=(3, 4),
            stderr=asyncio.subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        reader = asyncio.StreamReader(limit=1 << 28)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(read_fd, "rb", 0))
        pipe = Pipe(reader, write_fd)
        receiving = asyncio.create_task(pipe.receive())
        try:
            yield pipe
        finally:
            process.terminate()
            await process.wait()
            receiving.cancel()
            transport.close()
            os.close(write_fd)

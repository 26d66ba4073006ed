"""A fast fake of SnapSharp's screenshot API: one picture for each size, and a configurable latency.

`POST /latency` sets the latency, with seconds as the body. `GET /calls` returns the number of captures so far.
Run as `python -m bench.fake_api PORT PICTURES`, where PICTURES is a folder of `WIDTHxHEIGHT.png`.
"""

import asyncio
import sys
from pathlib import Path

from aiohttp import web


class Fake:
    def __init__(self, folder: Path) -> None:
        self._pictures = {path.stem: path.read_bytes() for path in folder.glob("*.png")}
        self._latency = 0.0
        self._calls = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/screenshot", self.screenshot)
        app.router.add_get("/health", self.health)
        app.router.add_get("/calls", self.calls)
        app.router.add_post("/latency", self.latency)
        return app

    async def screenshot(self, request: web.Request) -> web.Response:
        self._calls += 1
        await asyncio.sleep(self._latency)
        size = f"{request.query.get('width', 1280)}x{request.query.get('height', 720)}"
        return web.Response(body=self._pictures.get(size) or self._pictures["1280x720"], content_type="image/png")

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def calls(self, _: web.Request) -> web.Response:
        return web.json_response(self._calls)

    async def latency(self, request: web.Request) -> web.Response:
        self._latency = float(await request.text())
        return web.Response()


if __name__ == "__main__":
    web.run_app(Fake(Path(sys.argv[2])).app(), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)

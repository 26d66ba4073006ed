"""One capture: open the page, wait as asked, take the picture, check it. No policy, no queue, no retries."""

import asyncio
import base64
import contextlib
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine import picture, scripts
from engine.adblock import AdFilter
from engine.devtools import ProtocolError, Session
from engine.errors import DeadlineExceeded, InvalidParams, PageFailed
from engine.frame import MainFrame
from engine.params import MAX_PIXELS, CaptureParams

END_GAME = 2.5  # seconds of the deadline that are kept for the picture of a page that never finishes
PATIENCE = 10  # seconds in which a page must answer before its scripts are stopped
IDLE_SECONDS = 10  # after load; a page that polls is never idle
MAX_SIDE = 16_384  # device pixels; above it pictures come back blank or empty
MAX_WEBP_SIDE = 16_383
MAX_PDF_PAGES = 100
WORLD = "capture"

MILESTONES = {"load": "load", "domcontentloaded": "DOMContentLoaded", "networkidle": "load"}
COOKIE_BANNERS = tuple(
    line
    for line in (Path(__file__).parent / "data" / "cookie-banners.css").read_text(encoding="utf-8").splitlines()
    if not line.startswith("/*")
)


@dataclass(frozen=True, slots=True)
class Clip:
    """A part of the document in CSS pixels."""

    x: float
    y: float
    width: float
    height: float


async def take(session: Session, params: CaptureParams, ads: AdFilter | None, deadline: float) -> bytes:
    """Take the picture that `params` describe in the fresh page of `session`, before `deadline` on the loop's clock.

    `ads` is None where advertisements may show.
    Raises PageFailed when the page is at fault, InvalidParams for a selector that is none, DeadlineExceeded.
    """
    capture = Capture(session, params, deadline)
    await capture.prepare(ads)
    try:
        async with asyncio.timeout_at(deadline - END_GAME):
            await capture.open()
            await capture.settle()
    except TimeoutError:
        await capture.make_do()
    return await capture.shoot()


class Capture:
    def __init__(self, session: Session, params: CaptureParams, deadline: float) -> None:
        self._session = session
        self._params = params
        self._deadline = deadline
        self._frame = MainFrame(session)
        self._waiting_for = params.wait_for

    async def prepare(self, ads: AdFilter | None) -> None:
        """Set the page up while it is still blank. The calls are sent together: one round trip in all."""
        session, params = self._session, self._params
        session.on("Page.javascriptDialogOpening", self._dismiss)
        session.on("Inspector.targetCrashed", self._crashed)
        setup = [
            session.send("Page.enable"),
            session.send("Inspector.enable"),
            session.send("Page.setLifecycleEventsEnabled", enabled=True),
            session.send(
                "Emulation.setDeviceMetricsOverride",
                width=params.width,
                height=params.height,
                deviceScaleFactor=params.scale,
                mobile=False,
            ),
        ]
        if params.dark_mode:
            dark = {"name": "prefers-color-scheme", "value": "dark"}
            setup.append(session.send("Emulation.setEmulatedMedia", features=[dark]))
        if params.hide_selectors or params.block_cookie_banners:
            source = self._hiding()
            setup.append(session.send("Page.addScriptToEvaluateOnNewDocument", source=source, worldName=WORLD))
        if ads:
            setup.append(self._filter(ads))
        tree = session.send("Page.getFrameTree")
        await asyncio.gather(*setup)
        self._frame.id = (await tree)["frameTree"]["frame"]["id"]
        await self._check_selectors()

    async def open(self) -> None:
        """Navigate. Raises PageFailed where nothing came that could be shown."""
        answer = await self._session.call("Page.navigate", url=self._params.target.href)
        if answer.get("isDownload"):
            raise PageFailed("the page is a download")
        if error := answer.get("errorText"):
            raise PageFailed(f"the page could not be loaded: {_public(error)}")

    async def settle(self) -> None:
        """Wait for everything that was asked for, and again if the page moves on meanwhile."""
        while True:
            await self._frame.reach(MILESTONES[self._params.wait_until])
            document = self._frame.loader
            try:
                await self._wait_as_asked()
            except ProtocolError:
                # The script's document is gone. It must have been replaced, or the error is our own.
                if self._frame.loader == document and not self._frame.moving:
                    raise
            if self._frame.loader == document and not self._frame.moving:
                return

    async def make_do(self) -> None:
        """The navigation limit has passed: stop the page's scripts and check that there is something to show."""
        if not self._frame.committed:
            raise DeadlineExceeded("the page did not answer in time")
        self._session.send("Runtime.terminateExecution")
        await self._insist(self._check_document, (self._deadline - _now()) / 3)
        if self._waiting_for and not await self._ask(scripts.MATCHES, self._waiting_for):
            raise PageFailed("wait_for: no element matched in time")

    async def shoot(self) -> bytes:
        """Take the picture. Raises PageFailed, or picture.BadPicture for one that is not what was asked for."""
        if self._params.hide_selectors or self._params.block_cookie_banners:
            await self._insist(self._hide_again, (self._deadline - _now()) / 3)
        if self._params.format == "pdf":
            return await self._print()
        clip = await self._clip()
        width = clip.width if clip else self._params.width
        height = clip.height if clip else self._params.height
        shot = await self._insist(lambda: self._screenshot(clip), min(PATIENCE, (self._deadline - _now()) / 2))
        body = base64.b64decode(shot["data"])
        scale = self._params.scale
        picture.check(body, self._params.format, (round(width * scale), round(height * scale)))
        return body

    async def _check_selectors(self) -> None:
        for name in ("wait_for", "selector", "hide_selectors"):
            if selector := getattr(self._params, name):
                try:
                    await self._ask(scripts.VALID_SELECTOR, selector)
                except PageFailed:
                    raise InvalidParams(f"{name}: must be a valid CSS selector") from None

    async def _wait_as_asked(self) -> None:
        await self._check_document()
        if self._params.wait_until == "networkidle":
            await self._idle()
        if self._params.wait_for:
            await self._ask(scripts.WAIT_FOR, self._params.wait_for)
            self._waiting_for = None
        await self._session.pause(self._params.delay / 1000)
        if self._params.full_page and self._params.format != "pdf":
            patience = max(0, self._deadline - END_GAME - _now() - 1)
            await self._ask(scripts.SCROLL, self._max_height(), min(PATIENCE, patience) * 1000)
        await self._ask(scripts.CALM, 0 if self._params.wait_until == "domcontentloaded" else 1000)

    async def _idle(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(IDLE_SECONDS):
                await self._frame.reach("networkIdle")

    async def _check_document(self) -> None:
        """Raise PageFailed unless the document came over HTTP with a status below 400."""
        if self._frame.is_error_page:
            raise PageFailed("the page could not be loaded")
        if not self._frame.url.startswith(("http:", "https:")):
            raise PageFailed("the page left for something that is not a web page")
        status = await self._ask(scripts.STATUS)
        if status >= 400:
            raise PageFailed(f"the page answered {status}")

    async def _clip(self) -> Clip | None:
        """The part to show; None for the viewport."""
        if self._params.selector:
            return await self._element(self._params.selector)
        if not self._params.full_page:
            return None
        metrics = await self._insist(lambda: self._session.call("Page.getLayoutMetrics"), (self._deadline - _now()) / 3)
        height = min(math.ceil(metrics["cssContentSize"]["height"]), self._max_height())
        return Clip(0, 0, self._params.width, height) if height > self._params.height else None

    async def _element(self, selector: str) -> Clip:
        box = await self._insist(lambda: self._ask(scripts.ELEMENT, selector), (self._deadline - _now()) / 3)
        if box is None:
            raise PageFailed("selector: no element matched")
        clip = Clip(max(0, math.floor(box["x"])), max(0, math.floor(box["y"])), 0, 0)
        width = min(math.ceil(box["x"] + box["width"] - clip.x), self._params.width)
        height = min(math.ceil(box["y"] + box["height"] - clip.y), self._max_height())
        if width < 1 or height < 1:
            raise PageFailed("selector: the element has no size")
        return replace(clip, width=width, height=height)

    def _max_height(self) -> int:
        """In CSS pixels."""
        side = MAX_WEBP_SIDE if self._params.format == "webp" else MAX_SIDE
        scale = self._params.scale
        return int(min(side / scale, MAX_PIXELS / (self._params.width * scale**2)))

    async def _screenshot(self, clip: Clip | None) -> dict[str, Any]:
        options: dict[str, Any] = {"format": self._params.format}
        if self._params.format == "png":
            options["optimizeForSpeed"] = True
        else:
            options["quality"] = self._params.quality
        if clip:
            box = {"x": clip.x, "y": clip.y, "width": clip.width, "height": clip.height, "scale": 1}
            options |= {"clip": box, "captureBeyondViewport": True}
        return await self._session.call("Page.captureScreenshot", **options)

    async def _print(self) -> bytes:
        options = {"printBackground": True, "preferCSSPageSize": True, "pageRanges": f"1-{MAX_PDF_PAGES}"}
        printed = await self._session.call("Page.printToPDF", **options)
        body = base64.b64decode(printed["data"])
        picture.check(body, "pdf", None)
        return body

    async def _hide_again(self) -> None:
        await self._evaluate(self._hiding())

    def _hiding(self) -> str:
        rules = COOKIE_BANNERS if self._params.block_cookie_banners else ()
        return scripts.call(scripts.HIDE, rules, self._params.hide_selectors)

    async def _insist(self, question: Any, patience: float) -> Any:
        """Ask; if the page is too busy to answer within `patience` seconds, stop its scripts and ask once more.

        `Runtime.terminateExecution` may hit our own script instead of the page's, so a refusal is asked again too.
        """
        try:
            async with asyncio.timeout(patience):
                return await question()
        except (TimeoutError, ProtocolError):
            await self._session.call("Runtime.terminateExecution")
            return await question()

    async def _ask(self, function: str, *arguments: object) -> Any:
        return await self._evaluate(scripts.call(function, *arguments))

    async def _evaluate(self, expression: str) -> Any:
        """Evaluate in an isolated world of the main frame. Raises PageFailed when the script throws."""
        world = await self._session.call("Page.createIsolatedWorld", frameId=self._frame.id, worldName=WORLD)
        outcome = await self._session.call(
            "Runtime.evaluate",
            expression=expression,
            contextId=world["executionContextId"],
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in outcome:
            raise PageFailed("the page could not be inspected")
        return outcome["result"].get("value")

    def _filter(self, ads: AdFilter) -> asyncio.Future[dict[str, Any]]:
        def judge(event: dict[str, Any]) -> None:
            kind = event["resourceType"]
            is_main = kind == "Document" and event["frameId"] == self._frame.id
            if not is_main and ads.blocks(event["request"]["url"], self._params.target.href, kind):
                self._session.send("Fetch.failRequest", requestId=event["requestId"], errorReason="BlockedByClient")
            else:
                self._session.send("Fetch.continueRequest", requestId=event["requestId"])

        self._session.on("Fetch.requestPaused", judge)
        return self._session.send("Fetch.enable", patterns=[{"urlPattern": "*"}])

    def _dismiss(self, _event: dict[str, Any]) -> None:
        self._session.send("Page.handleJavaScriptDialog", accept=False)

    def _crashed(self, _event: dict[str, Any]) -> None:
        self._session.fail(PageFailed("the page crashed or used too much memory"))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _public(error: str) -> str:
    """Chromium's name for a network error, a fixed vocabulary: `ERR_CONNECTION_REFUSED`."""
    name = error.removeprefix("net::").partition(" ")[0][:64]
    return "it answered without a document" if name == "ERR_ABORTED" else name  # 204, 205

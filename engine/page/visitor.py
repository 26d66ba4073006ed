"""The visitor that a page sees: who asks for it, in which language. The same in its frames and its workers."""

from collections.abc import Iterable, Mapping
from typing import Any

from engine.browser.identity import LANGUAGES, PLATFORM, SCREEN, BrowserIdentity
from options import CaptureOptions

Call = tuple[str, Mapping[str, Any]]


class Visitor:
    """The visitor of one capture, as the calls that set it up."""

    def __init__(self, params: CaptureOptions, identity: BrowserIdentity) -> None:
        self._params = params
        self._identity = identity

    def calls(self) -> Iterable[Call]:
        """The calls to the page, and to each of its frames that has a process of its own."""
        yield from self.worker_calls()
        if self._params.dark_mode:
            dark = {"name": "prefers-color-scheme", "value": "dark"}
            yield "Emulation.setEmulatedMedia", {"features": [dark]}

    def worker_calls(self) -> Iterable[Call]:
        """The calls to a worker of the page."""
        yield (
            "Emulation.setUserAgentOverride",
            {
                "userAgent": self._identity.user_agent(),
                "acceptLanguage": ",".join(LANGUAGES),
                "platform": PLATFORM,
                "userAgentMetadata": self._identity.client_hints(),
            },
        )

    def metrics(self, height: int) -> dict[str, Any]:
        """The window, `height` CSS pixels tall, and the screen, which is at least as large as the page's own window."""
        params = self._params
        return {
            "width": params.width,
            "height": height,
            "deviceScaleFactor": params.scale,
            "mobile": False,
            "screenWidth": max(params.width, SCREEN[0]),
            "screenHeight": max(params.height, SCREEN[1]),
        }

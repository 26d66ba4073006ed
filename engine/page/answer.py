"""Looks at what the page answered: whether it is a page over HTTP, with which status, and how far it got."""

from typing import Any

from engine.errors import NotAPage, PageStatus, PageUnreachable
from engine.page import scripts
from engine.page.page import Page
from engine.traffic import Traffic
from options import CaptureOptions


class Answer:
    """The answer to the last document request. `status` is that of the document which was inspected last, 0 before."""

    def __init__(self, page: Page, params: CaptureOptions, traffic: Traffic) -> None:
        self._page = page
        self._shows_errors = params.error_pages == "show"
        self._traffic = traffic
        self._judged = 0  # the document whose status is known to be one that may be shown
        self._accepted = 0  # one that is the page in spite of its status
        self.status = 0

    def require_web_page(self) -> None:
        """Raise PageUnreachable or NotAPage unless the document came over HTTP."""
        if self._page.frame.unreachable_url:
            raise PageUnreachable("", self._page.frame.unreachable_url)
        if not self._page.frame.url.startswith(("http:", "https:")):
            raise NotAPage("the page navigated to a URL that is neither http nor https")

    async def inspect(self, script: str = scripts.LOADED) -> dict[str, Any]:
        """Return the answer of `script`, which is about the document and its requests. Raises as `require_web_page`."""
        self.require_web_page()
        document = self._page.frame.document
        answer: dict[str, Any] = await self._page.run(script)
        self._traffic.requests = answer["requests"]
        if answer["media"]:
            raise NotAPage("the URL is a file of sound or video, not a page")
        self.status = answer["status"]
        if not self.is_refused:
            self._judged = document
        return answer

    def accept(self) -> None:
        """Take the document that is there for the page, whatever its status."""
        self._judged = self._accepted = self._page.frame.document

    @property
    def is_judged(self) -> bool:
        """Whether the document that is there has been inspected, and may be shown."""
        return self._page.frame.document == self._judged

    @property
    def is_refused(self) -> bool:
        """Whether the document has an error status, and neither is the page all the same nor wanted by the options."""
        return self.status >= 400 and not self._shows_errors and self._page.frame.document != self._accepted

    async def require_success(self) -> None:
        """Raise PageStatus if the document that is there has an error status."""
        await self.inspect()
        if self.is_refused:
            raise PageStatus(self.status)

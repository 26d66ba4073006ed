"""Judges each request that a page begins, and reads whether an answer asks that the page is not shown: fails what is unwanted, and adds the caller's headers for the page's own origin.

The browser pauses every request for that, those of workers too, and every hop of a redirect, which loses added headers.
"""

import asyncio
from typing import Any

from engine.page import document, opt_out
from engine.page.adblock import RequestFilter
from engine.page.page import Page
from options import CaptureOptions, Document

ANSWERS = {"urlPattern": "*", "resourceType": "Document", "requestStage": "Response"}


class Interception:
    def __init__(
        self,
        page: Page,
        params: CaptureOptions,
        unwanted: RequestFilter | None,
        shown: Document | None = None,
    ) -> None:
        """`shown` is a document in place of the page."""
        self._page = page
        self._document = shown
        self._unwanted = unwanted
        # The operator's suffix ends every User-Agent.
        self._headers = {
            name: page.signed(text) if name.lower() == "user-agent" else text for name, text in params.headers
        }
        self._requested = params.target.url
        # Scheme, host and port as the browser writes them: no other origin's URL begins so.
        self._origin = params.target.url[: params.target.url.index("/", len("https://")) + 1]
        self._opted_out: set[str] = set()  # loaders of documents whose answers said so
        self._elsewhere: set[str] = set()  # requests that are, or were redirected from, one to another origin

    @property
    def patterns(self) -> list[dict[str, str]]:
        """The requests to pause, as `Fetch.RequestPattern`: none if there is nothing to judge."""
        return [{"urlPattern": "*"}] if self._unwanted or self._headers else []

    def begin(self) -> asyncio.Future[dict[str, Any]]:
        """Pause requests from now on, if there is anything to judge, and answers that may be the page."""
        self._page.session.on("Fetch.requestPaused", self.judge)
        ours = [document.PATTERN] if self._document else []
        return self._page.session.send("Fetch.enable", patterns=[*ours, *self.patterns, ANSWERS])

    def has_opted_out(self, loader: str | None) -> bool:
        """Return whether the answer that brought the document of `loader` asks not to be shown."""
        return loader in self._opted_out

    def judge(self, event: dict[str, Any]) -> None:
        """Let a request go on, or fail it, but never that for the page itself.

        The document that is there tells what is the page's own: a redirect may have led to another site. The first
        requests of a new document may be reported before the document itself.
        """
        if is_answer(event):
            self._note_answer(event)
            self._page.session.send("Fetch.continueRequest", requestId=event["requestId"])
            return
        frame, url, kind = self._page.frame, event["request"]["url"], event["resourceType"]
        is_page = kind == "Document" and event["frameId"] == frame.id
        if self._document and is_page:
            self._show(self._document, event)
            return
        if is_page:
            self._requested = url
        page_url = self._requested if self._page.is_replaced() else frame.url
        if self._unwanted and not is_page and self._unwanted.blocks(url, page_url, kind):
            self._page.session.send("Fetch.failRequest", requestId=event["requestId"], errorReason="BlockedByClient")
        else:
            self._page.session.send(
                "Fetch.continueRequest", requestId=event["requestId"], **self._changes(event, is_page=is_page)
            )

    def _show(self, shown: Document, event: dict[str, Any]) -> None:
        """Give the main frame the document, and nothing else: one that leads to a page would show that page instead."""
        send, request = self._page.session.send, event["requestId"]
        if document.asks_for_it(event):
            send("Fetch.fulfillRequest", requestId=request, **document.answer(shown))
        else:
            send("Fetch.failRequest", requestId=request, errorReason="BlockedByClient")

    def _note_answer(self, event: dict[str, Any]) -> None:
        """Note whether the document that comes asks not to be shown: of a chain of redirects, the last answer counts."""
        frame = self._page.frame
        if event["frameId"] != frame.id or frame.arriving is None:
            return
        if opt_out.in_headers(event.get("responseHeaders", ())):
            self._opted_out.add(frame.arriving)
        else:
            self._opted_out.discard(frame.arriving)

    def _changes(self, event: dict[str, Any], *, is_page: bool) -> dict[str, Any]:
        """Return the headers of a request if the caller's are added.

        The caller's headers are sent neither to another origin, nor by a redirect or a frame from there, and no more once
        the page itself is elsewhere. A frame of another origin could read what they open: an API with tokens often
        answers every origin that knows one.
        """
        headers, url = event["request"]["headers"], event["request"]["url"]
        origins, frame = self._page.frame.origins, event["frameId"]
        if not url.startswith(self._origin) or event.get("redirectedRequestId") in self._elsewhere:
            self._elsewhere.add(event["requestId"])
            if is_page:
                self._headers = {}
            elif event["resourceType"] == "Document":  # its first requests may be reported before the document itself
                origins[frame] = ""
            return {}
        is_own = frame == self._page.frame.id or origins.get(frame) == self._origin[:-1]
        if not (self._headers and is_own):
            return {}
        changed = {name.lower() for name in self._headers}
        kept = {name: value for name, value in headers.items() if name.lower() not in changed}
        return {"headers": [{"name": name, "value": value} for name, value in (kept | self._headers).items()]}


def is_answer(event: dict[str, Any]) -> bool:
    """Return whether `Fetch.requestPaused` is about an answer, or its failure, and not about a request."""
    return not {"responseStatusCode", "responseErrorReason"}.isdisjoint(event)

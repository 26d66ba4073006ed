"""The HTTP contract of each screenshot API as a table: path, key, envelope, errors. No I/O, no `requests`.

The names of options in each API are in `options.table`.
From the published pages: https://snapsharp.dev/docs, https://hermesforge.dev, https://snapapi.pics/docs.html.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from capture.outcomes import ENGINE_OUTCOMES, OUTCOMES, Envelope, Outcome
from errors import InvalidOption
from options import (
    FORMATS,
    LEFT_OUT,
    LONGEST_HTML,
    MAX_PIXELS,
    CaptureOptions,
    Document,
    Option,
    Param,
    implied_by_device,
    options_of,
)

SETTLE_DELAY = 1000


@dataclass(frozen=True, slots=True)
class DocumentCalls:
    """How an API draws HTML: by a POST of JSON to `path`. `network` says that it can be allowed to the document."""

    path: str
    params: Mapping[str, Param]
    longest_html: int  # bytes of UTF-8
    network: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """One API's HTTP contract. `base_url` is its own address, used where `CAPTURE_URL` is not set."""

    name: str
    base_url: str
    path: str
    params: Mapping[str, Param]
    envelope: Envelope
    outcomes: Mapping[tuple[int, str], Outcome]
    method: Literal["GET", "POST"] = "GET"
    json_too: bool = False  # the same options may also be POSTed as JSON, if they are too long for a query
    max_pixels: int | None = None  # of one picture
    key_header: str = "X-API-Key"
    key_prefix: str = ""
    needs_key: bool = False
    settle_delay: int = SETTLE_DELAY  # milliseconds, instead of `settled`; 0 for an API that has it
    priority: bool = False  # it supports RFC 9218's `Priority`, by which bulk work yields to visitors
    notes: bool = False  # it sends notes about its pictures
    metadata: bool = False  # it sends what the page says of itself
    ours: bool = False  # it checks its pictures itself, and its health page tells whether it works
    health: str = "/health"
    documents: DocumentCalls | None = None  # how it draws HTML, None if it does not

    def express(self, options: CaptureOptions) -> dict[str, object]:
        """Write the options in this dialect's names and values. Raises `InvalidOption` for one that it does not have.

        Of a document, this is all but its HTML and its network, which `add_document` adds.
        """
        if options.target.is_document:
            return self._express_document(options)
        if options.wait_until == "settled" and self.settle_delay:
            options = replace(options, delay=max(options.delay, self.settle_delay))
        return {"url": options.url} | self._express(options, self.params)

    def _express_document(self, options: CaptureOptions) -> dict[str, object]:
        if self.documents is None:
            raise InvalidOption(f"the screenshot API in use, {self.name}, draws no HTML", field="html")
        return self._express(options, self.documents.params)

    def add_document(self, sent: Mapping[str, object], document: Document) -> dict[str, object]:
        """Add the HTML to expressed options. Raises `InvalidOption` if the API draws none so long."""
        calls = self.documents
        if calls is None or len(document.html.encode()) > calls.longest_html:
            most = calls.longest_html >> 20 if calls else 0
            raise InvalidOption(f"must be at most {most} MiB for the screenshot API in use, {self.name}", field="html")
        network = {"network": True} if calls.network and document.network else {}
        return {**sent, "html": document.html, **network}

    def _express(self, options: CaptureOptions, params: Mapping[str, Param]) -> dict[str, object]:
        sent: dict[str, object] = {}
        preset = implied_by_device(options.device)
        for option in OPTIONS:
            if option.name == "quality" and not FORMATS[options.format].lossy:
                continue
            value = getattr(options, option.attribute)
            if value is None or value == preset.get(option.name):
                continue  # nothing is asked, or the API knows the device
            if param := params.get(option.name):
                sent |= self._written(option, param, value, always=option.name in preset)
            elif value != option.default:
                raise InvalidOption(f"the screenshot API in use, {self.name}, lacks this option", field=option.name)
        if self.max_pixels and options.format != "pdf" and _pixels(options) > self.max_pixels:
            raise InvalidOption(
                f"width × height × scale² must be at most {self.max_pixels} pixels for {self.name}", field="scale"
            )
        return sent

    def _written(self, option: Option, param: Param, value: object, *, always: bool) -> dict[str, object]:
        """Write one option; one at the API's default only if `always`."""
        if param is LEFT_OUT:
            return {}
        if not param.accepts(value):
            raise InvalidOption(f"must be {param.words} for the screenshot API in use, {self.name}", field=option.name)
        if param.values is not None:
            value = param.values[value]
        return {param.name: param.write(value)} if always or value != param.default else {}


OPTIONS = options_of(CaptureOptions)[1:]  # each API calls the first one `url`


def _params(api: str) -> Mapping[str, Param]:
    return MappingProxyType({each.name: param for each in OPTIONS if (param := each.param(api))})


def _pixels(options: CaptureOptions) -> float:
    return options.width * options.height * options.scale**2


_DOCUMENT_SIZE = MappingProxyType(
    {"width": Param("width", limits=(100, 3840)), "height": Param("height", limits=(100, 2160))}
)
# It removes scripts and frames, and draws what is left: there is nothing to wait for, and nothing that it would block.
# https://snapsharp.dev/docs/html-to-image
_SNAPSHARP_DOCUMENT = MappingProxyType(
    {
        **_DOCUMENT_SIZE,
        "format": Param("format", values={each: each for each in ("png", "jpeg", "webp")}),
        **dict.fromkeys(("wait_until", "delay", "block_ads", "block_cookie_banners", "block_chats"), LEFT_OUT),
    }
)
SNAPSHARP_ENVELOPE = Envelope(code=(("error",),), wait=(("retry_after",),))
ENGINE_ENVELOPE = replace(
    SNAPSHARP_ENVELOPE,
    page_status=(("page_status",),),
    retryable=(("retryable",),),
    field=(("field",),),
    net_error=(("net_error",),),
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "engine": Dialect(
            name="engine",
            base_url="http://127.0.0.1:8001",
            path="/v1/screenshot",
            params=_params("engine"),
            json_too=True,
            max_pixels=MAX_PIXELS,
            settle_delay=0,
            priority=True,
            notes=True,
            metadata=True,
            ours=True,
            key_header="Authorization",
            key_prefix="Bearer ",
            envelope=ENGINE_ENVELOPE,
            outcomes={**OUTCOMES, **ENGINE_OUTCOMES},
            documents=DocumentCalls(
                "/v1/html-to-image", {**_params("engine"), **_DOCUMENT_SIZE}, LONGEST_HTML, network=True
            ),
        ),
        "snapsharp": Dialect(
            name="snapsharp",
            base_url="https://api.snapsharp.dev",
            path="/v1/screenshot",
            params=_params("snapsharp"),
            json_too=True,
            key_header="Authorization",
            key_prefix="Bearer ",
            needs_key=True,
            envelope=SNAPSHARP_ENVELOPE,
            outcomes=OUTCOMES,
            documents=DocumentCalls("/v1/html-to-image", _SNAPSHARP_DOCUMENT, 1 << 20),
        ),
        "hermesforge": Dialect(
            name="hermesforge",
            base_url="https://hermesforge.dev",
            path="/api/screenshot",
            params=_params("hermesforge"),
            envelope=Envelope(),
            outcomes=OUTCOMES,
            health="/",  # it documents no health page; its front page at least shows that it serves
        ),
        "snapapi": Dialect(
            name="snapapi",
            base_url="https://api.snapapi.pics",
            path="/v1/screenshot",
            params=_params("snapapi"),
            method="POST",
            key_header="X-Api-Key",
            needs_key=True,
            # Two of its pages show a flat body, a third a nested one.
            envelope=Envelope(
                code=(("error", "code"), ("error",)),
                text=(("error", "message"), ("message",)),
                wait=(("error", "details", "retryAfter"), ("details", "retryAfter")),
            ),
            outcomes=OUTCOMES,
        ),
    }
)

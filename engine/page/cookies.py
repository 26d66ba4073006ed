"""Gives a capture's browser context the caller's cookies. The context ends with the capture, and so do they."""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.devtools.connection import ProtocolError
from engine.errors import CookieRefused
from engine.page.page import Page
from options import DEFAULT_PORTS, CaptureOptions


async def set_cookies(page: Page, params: CaptureOptions) -> None:
    """Set cookies of the page's origin alone: none names a domain, and the browser keeps each to its port.

    Raises CookieRefused.
    """
    if not params.cookies:
        return
    cookies = [
        {"name": each.name, "value": each.value, "path": each.path, **origin}
        for each in params.cookies
        for origin in _origins(params)
    ]
    try:
        await page.session.call("Network.setCookies", cookies=cookies)
    except ProtocolError:
        raise CookieRefused from None


def _origins(params: CaptureOptions) -> Iterator[Mapping[str, Any]]:
    """Describe the page's own origin; and the same host over HTTPS, which is no stranger: many sites redirect there."""
    target = params.target
    secure = target.scheme == "https"
    scheme = "Secure" if secure else "NonSecure"
    yield {"url": target.url, "secure": secure, "sourceScheme": scheme, "sourcePort": target.port}
    if not secure and target.port == DEFAULT_PORTS["http"]:
        url = target.url.replace("http:", "https:", 1)
        yield {"url": url, "secure": True, "sourceScheme": "Secure", "sourcePort": DEFAULT_PORTS["https"]}

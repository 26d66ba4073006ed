"""Gives a capture's browser context the caller's cookies. The context ends with the capture, and so do they."""

from engine.devtools.connection import ProtocolError
from engine.errors import InvalidParams
from engine.page.page import Page
from options import CaptureOptions


async def set_cookies(page: Page, params: CaptureOptions) -> None:
    """Set cookies of the page's host alone: none names a domain, so no other host gets one, below or above it.

    Raises InvalidParams for a cookie that the browser refuses, though validation let it pass.
    """
    if not params.cookies:
        return
    own = {"url": params.target.url, "secure": params.target.scheme == "https"}
    cookies = [{"name": each.name, "value": each.value, "path": each.path, **own} for each in params.cookies]
    try:
        await page.session.call("Network.setCookies", cookies=cookies)
    except ProtocolError:  # its text is not passed on: it may repeat a cookie
        raise InvalidParams("cookies: the browser refuses one of them") from None

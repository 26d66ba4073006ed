"""Tells an application from an error page: hosts of files send it with a 404, for every address that is no file.

Its document is a shell that a script fills, while an error page has words of its own.
"""

import asyncio
import contextlib

from engine.devtools.connection import ProtocolError
from engine.errors import PageFailed
from engine.page import scripts
from engine.page.page import Page

STATUS = 404
LONGEST_SHELL = 256 << 10  # characters
READ_SECONDS = 2

# Without scripts, a parsed document fetches nothing and runs nothing.
IS_SHELL = f"""(source) => {{
  {scripts.LOADS}
  const sent = new DOMParser().parseFromString(source, 'text/html').body;
  sent.querySelectorAll('script, style, template, noscript').forEach(each => each.remove());
  const words = sent.textContent.trim();
  return !sent.querySelector('img, picture, video, iframe, object, embed, form')
    && (!words || (words.length <= 60 && loads.test(words)));
}}"""


async def source(page: Page) -> str:
    """Return the document as its site sent it, from the browser's cache. "" if that has none, or if it is no shell's length.

    Its site may forbid the cache. Nor is a document found there whose script has given it another address.
    """
    frame = page.frame
    with contextlib.suppress(ProtocolError, PageFailed, TimeoutError):
        async with asyncio.timeout(READ_SECONDS):
            kept = await page.session.call("Page.getResourceContent", frameId=frame.id, url=frame.url)
        return str(kept["content"]) if len(kept["content"]) <= LONGEST_SHELL else ""
    return ""


async def is_shell(page: Page, sent: str) -> bool:
    """Return whether a document, as it was sent, has nothing to say by itself. Raises DocumentReplaced."""
    try:
        return bool(sent and await page.run(IS_SHELL, sent))
    except PageFailed:
        return False

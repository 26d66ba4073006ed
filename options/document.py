"""A document that the browser shows in place of a page: HTML, and whether it may request anything. Pure."""

import hashlib
from dataclasses import dataclass, field

from options.target import Target
from options.values import is_text

LONGEST_HTML = 5 << 20  # bytes of UTF-8
# JSON may write each of them as several: `\\u00e4` for two bytes, `\\"` for one.
LONGEST_DOCUMENT_BODY = 3 * LONGEST_HTML + (64 << 10)
HTML_WORDS = f"a text of HTML, at most {LONGEST_HTML >> 20} MiB of UTF-8"
LONGEST_MARKDOWN = 128 << 10  # bytes of UTF-8, the text of a book's chapter: what is hardest to read takes two seconds
MARKDOWN_WORDS = f"a text of Markdown, at most {LONGEST_MARKDOWN >> 10} KiB of UTF-8"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Document:
    """HTML that becomes a picture.

    Without `network`, nothing that the HTML names is requested: no name is looked up and no connection is opened. With
    it, the guard judges each request as it judges those of a page. Its `digest` names it.
    """

    html: str = field(repr=False)
    network: bool = False
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        content = hashlib.sha256(b"network" if self.network else b"")
        content.update(b"\0" + self.html.encode())
        object.__setattr__(self, "digest", content.hexdigest())

    @property
    def target(self) -> Target:
        """The target of the captures of HTML that a caller has sent."""
        return Target.of_document(f"document:{self.digest}")


def read_html(value: object) -> str:
    """Read a caller's HTML. Raises ValueError with words that complete "must be …"."""
    return _read(value, LONGEST_HTML, HTML_WORDS)


def read_markdown(value: object) -> str:
    """Read a caller's Markdown. Raises as `read_html`."""
    return _read(value, LONGEST_MARKDOWN, MARKDOWN_WORDS)


def _read(value: object, longest: int, words: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > longest or not is_text(value):
        raise ValueError(words)
    if len(value.encode()) > longest:
        raise ValueError(words)
    return value

"""A plain list of URLs, one a line. Lines that begin with # are comments."""

import io
import re
from collections.abc import Iterator

from sites.imports.candidates import Candidate

_BARE_HOST = re.compile(r"(?:[^\W_][\w-]{0,62}\.)+[^\W\d_][\w-]{1,62}(?::[0-9]{1,5})?(?=[/?#]|$)")


def read_urls(text: str) -> Iterator[Candidate]:
    for number, line in enumerate(io.StringIO(text), start=1):
        url = line.strip()
        if url and not url.startswith("#"):
            yield Candidate(number, with_scheme(url))


def with_scheme(url: str) -> str:
    """Complete a URL that begins with a domain name, such as `example.com/page`, since lists are often written so."""
    return f"https://{url}" if _BARE_HOST.match(url) else url

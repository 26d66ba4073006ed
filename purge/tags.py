"""Cache tags: how nginx and CDNs find the stored answers of a page or a host. Hashes, since answers are public."""

import hashlib
from functools import lru_cache

from options import Target

EVERYTHING = "thumbs"
_MOST_DOMAINS = 6  # of a host: `a.b.example.com` is in three


@lru_cache(maxsize=4096)
def page_tags(target: Target) -> tuple[str, ...]:
    """Return the tags of all answers that show a page."""
    if target.is_document:
        return EVERYTHING, page_tag(target.url)
    labels = target.host.split(".")
    domains = [".".join(labels[start:]) for start in range(1, len(labels))][-_MOST_DOMAINS:]
    return EVERYTHING, page_tag(target.url), host_tag(target.host), *map(domain_tag, domains)


def page_tag(url: str) -> str:
    """`url` is canonical."""
    return f"p-{_hash(url)}"


def host_tag(host: str) -> str:
    return f"h-{_hash(host)}"


def domain_tag(domain: str) -> str:
    """Return the tag of all subdomains of `domain`."""
    return f"d-{_hash(domain)}"


def site_tag(site_id: int) -> str:
    return f"s-{site_id}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]

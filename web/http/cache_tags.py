"""Cache tags on answers that show a page, by which nginx and CDNs find what a purge removes from them."""

from collections.abc import Iterable

from flask import Flask, Response, g

from config import Settings
from options import Target
from purge import page_tags, site_tag


def install(app: Flask, settings: Settings) -> None:
    """Tag what Flask responds about a page, where a cache in front is purged by tags."""
    if settings.tags_pictures:
        app.after_request(_tag)


def note_page(target: Target) -> None:
    """Note which page the current answer shows."""
    g.cache_tags = page_tags(target)


def note_site(site_id: int) -> None:
    """Note which site the current answer shows."""
    g.cache_tags = (site_tag(site_id),)


def tag_headers(tags: Iterable[str]) -> dict[str, str]:
    """Write `tags` as Fastly and Varnish read them, and as Cloudflare does."""
    tags = tuple(tags)
    return {"Surrogate-Key": " ".join(tags), "Cache-Tag": ",".join(tags)}


def _tag(response: Response) -> Response:
    if "cache_tags" in g and "no-store" not in response.headers.get("Cache-Control", "no-store"):
        response.headers.update(tag_headers(g.cache_tags))
    return response

"""The tools: each calls the service, and says what it found. Their docstrings are what an assistant reads."""

import json
import time
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ImageContent, TextContent
from pydantic import Field
from thumbnail_client import Client, ServiceError, Unreachable

from thumbnail_mcp.pictures import LONGEST_SIDE, view
from thumbnail_mcp.words import in_words, telling_errors

_PATIENCE = 45.0  # seconds for a new capture of a site; many programs wait for a tool for 60
_PAUSE = 0.5
_LARGEST_ID = 2**31 - 1

Url = Annotated[str, Field(min_length=1, max_length=2048, description="The page: an absolute http:// or https:// URL.")]
Device = Annotated[
    str | None,
    Field(max_length=40, description="A preset such as iphone-14 or ipad-pro-11. Without one: a desktop window."),
]
Width = Annotated[int | None, Field(ge=320, le=3840, description="Width of the window in CSS pixels (1280).")]
Height = Annotated[int | None, Field(ge=240, le=2160, description="Height of the window in CSS pixels (720).")]
FullPage = Annotated[bool, Field(description="Capture the whole page, not only what the window shows.")]
MaxHeight = Annotated[
    int | None, Field(ge=240, le=16_384, description="With full_page: where the page is cut, in CSS pixels.")
]
Selector = Annotated[
    str | None,
    Field(min_length=1, max_length=256, description="Capture only the first element that this CSS selector matches."),
]
WaitFor = Annotated[
    str | None, Field(min_length=1, max_length=256, description="Wait until an element matches this CSS selector.")
]
Delay = Annotated[
    int | None, Field(ge=0, le=10_000, description="Milliseconds to wait once the page is at rest, in the page's time.")
]
DarkMode = Annotated[bool, Field(description="Tell the page that the visitor prefers dark colours.")]
Fresh = Annotated[bool, Field(description="Capture the page now, even if the service has a picture from before.")]
Part = Annotated[
    int,
    Field(
        ge=0,
        le=100,
        description=f"0 shows the whole picture, reduced to {LONGEST_SIDE} pixels if it is longer. "
        f"1 shows its topmost {LONGEST_SIDE} rows in full size, 2 those below, and so on. "
        "Other parts of a known page cost no capture.",
    ),
]
Text = Annotated[str | None, Field(max_length=500, description="Words that title, URL, note or tags contain.")]
Tags = Annotated[list[str] | None, Field(max_length=20, description="Tags that a site must all have.")]
Host = Annotated[str | None, Field(max_length=253, description="The host, such as example.com.")]
ChangedSince = Annotated[
    str | None, Field(max_length=40, description="Only sites that look different since, such as 2026-11-29T12:00:00Z.")
]
Limit = Annotated[int, Field(ge=1, le=50, description="How many sites to list.")]
Cursor = Annotated[str | None, Field(max_length=500, description="For the page after another: its next.")]
SiteId = Annotated[int, Field(ge=1, le=_LARGEST_ID, description="The id of a site, which list_sites tells.")]
Older = Annotated[int | None, Field(ge=1, le=_LARGEST_ID, description="The number of the older version.")]
Newer = Annotated[int | None, Field(ge=1, le=_LARGEST_ID, description="The number of the newer version.")]
CaptureNow = Annotated[
    bool, Field(description="Capture the site first, and compare `older` (or its last version) with the page as it is.")
]

Content = list[ImageContent | TextContent]
# The rest of a site is for those who edit it.
_OF_SITES = (
    "id", "url", "title", "tags", "options", "schedule", "paused", "status", "failure", "captured_at", "changed_at",
    "due_at",
)  # fmt: skip
_OF_VERSIONS = "number", "captured_at", "seen_at", "change", "width", "height"


class Tools:
    """The tools of one service."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @telling_errors
    def capture(
        self,
        *,
        url: Url,
        device: Device = None,
        width: Width = None,
        height: Height = None,
        full_page: FullPage = False,
        max_height: MaxHeight = None,
        selector: Selector = None,
        wait_for: WaitFor = None,
        delay: Delay = None,
        dark_mode: DarkMode = False,
        fresh: Fresh = False,
        part: Part = 0,
    ) -> Content:
        """Look at a web page: returns a picture of it, as a visitor sees it.

        Beside the picture, JSON tells the final URL after redirects, the page's HTTP status and title, when it was
        captured, the size of the captured page and of what is shown of it, and `cache`: HIT for a picture from before,
        MISS for a new capture, STALE for an older picture while a new one is captured.
        """
        options = _given(
            device=device,
            width=width,
            height=height,
            full_page=full_page,
            max_height=max_height,
            selector=selector,
            wait_for=wait_for,
            delay=delay,
            dark_mode=dark_mode,
        )
        picture = self._client.capture(url, **options, **_given(fresh=fresh))
        shown = view(picture.body, picture.content_type, part)
        facts = {"url": url, **self._known_of(url, options), "cache": picture.cache, **shown.facts}
        return [shown.content, _json(facts | _given(note=picture.note))]

    @telling_errors
    def capture_page_metadata(
        self, *, url: Url, device: Device = None, full_page: FullPage = False, fresh: Fresh = False
    ) -> dict[str, Any]:
        """Read what a web page says of itself: title, description, site name, author, language, canonical URL, feeds,
        preview picture, and the HTTP status and final URL after redirects. Null is what the page does not say.

        A page that was captured with the same device and full_page costs no other capture.
        """
        return self._client.metadata(url, **_given(device=device, full_page=full_page, fresh=fresh))

    @telling_errors
    def list_sites(
        self,
        *,
        text: Text = None,
        tags: Tags = None,
        host: Host = None,
        status: Annotated[
            Literal["pending", "ready", "failed"] | None, Field(description="The outcome of the last capture.")
        ] = None,
        changed_since: ChangedSince = None,
        sort: Annotated[
            Literal["changed", "title", "added"], Field(description="The order: what changed or was added last first.")
        ] = "changed",
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """List the sites that the service watches: id, URL, title, tags, status, when they were captured and changed,
        and the last version of each. All filters must hold.

        `total` counts the sites that the filters find. With `next`, there are more: send it as cursor, with the same
        filters.
        """
        filters = _given(text=text, host=host, status=status, changed_since=changed_since, cursor=cursor)
        page = self._client.page_of_sites(**filters, **({"tag": tags} if tags else {}), sort=sort, limit=limit)
        return {"sites": [_site(each) for each in page["sites"]], "next": page["next"], "total": page["total"]}

    @telling_errors
    def diff(
        self, *, site_id: SiteId, older: Older = None, newer: Newer = None, capture_now: CaptureNow = False
    ) -> Content:
        """Compare how a site looked at two times: returns a picture with the changed parts in colour, the rest pale.

        Beside the picture, JSON tells `change`, the percentage of the picture that differs, `region`, the pixels around
        all changes, and both versions. Without version numbers, the last two are compared.
        """
        if capture_now:
            older, newer = self._now(site_id, older, newer)
        elif older is None and newer is None:
            older, newer = self._last_two(site_id)
        elif older is None or newer is None:
            raise ToolError("older, newer: send both, or neither for the last two versions")
        numbers = self._client.difference(site_id, older, newer)
        picture = self._client.difference_picture(site_id, older, newer)
        shown = view(picture.body, picture.content_type)
        versions = {name: _chosen(numbers[name], _OF_VERSIONS) for name in ("from", "to")}
        facts = {"site_id": site_id, **versions, "change": numbers["change"], "region": numbers["region"]}
        return [shown.content, _json(facts | shown.facts)]

    def _known_of(self, url: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was read in the same page load as the picture. Without it, the picture is worth showing."""
        try:
            known = self._client.metadata(url, **options)
        except ServiceError as err:
            return {"final_url": None, "final_url_unknown": in_words(err)}
        except Unreachable as err:
            return {"final_url": None, "final_url_unknown": str(err)}
        return _chosen(known, ("final_url", "status", "title", "captured_at"))

    def _last_two(self, site_id: int) -> tuple[int, int]:
        numbers = [version["number"] for version in islice(self._client.versions(site_id), 2)]
        if len(numbers) < 2:
            raise ToolError(
                f"site_id: site {site_id} has {len(numbers)} version{'' if len(numbers) == 1 else 's'}, and two are "
                "compared. With capture_now, its last version is compared with the page as it is"
            )
        return numbers[1], numbers[0]

    def _now(self, site_id: int, older: int | None, newer: int | None) -> tuple[int, int]:
        """Have a site captured, and return the numbers of the older version and of how it looks now."""
        if newer is not None:
            raise ToolError("newer: leave it out with capture_now, which compares with the page as it is")
        site = self._client.site(site_id)
        if site["paused"]:
            raise ToolError(f"capture_now: the captures of site {site_id} are paused")
        older = older or self._last(site_id)
        if older is None:
            raise ToolError(f"site_id: site {site_id} has no version yet. Its status is {site['status']}")
        self._capture(site)
        return older, self._last(site_id) or older

    def _last(self, site_id: int) -> int | None:
        return next((version["number"] for version in self._client.versions(site_id)), None)

    def _capture(self, site: Mapping[str, Any]) -> None:
        """Capture a site and wait for the end. Times of captures are told in whole seconds, so two are two seconds."""
        id_, known = site["id"], site["captured_at"]
        if known:
            age = time.time() - datetime.fromisoformat(known).timestamp()
            time.sleep(min(max(1 - age, 0), 1))
        self._client.capture_site(id_)
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            time.sleep(_PAUSE)
            now = self._client.site(id_)
            if now["captured_at"] != known:
                return
            if now["failure"] and now["failure"] != site["failure"]:
                raise ToolError(
                    f"site {id_} cannot be captured now: {now['failure']['message']} (code {now['failure']['code']})"
                )
        raise ToolError(
            f"site {id_} was not captured within {_PATIENCE:g} seconds. It still will be: compare its versions later"
        )


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that were given. The service's own defaults hold for the others."""
    return {name: value for name, value in options.items() if value not in (None, False, "")}


def _site(site: Mapping[str, Any]) -> dict[str, Any]:
    version = site["picture"]
    return _chosen(site, _OF_SITES) | {"version": version and _chosen(version, _OF_VERSIONS)}


def _chosen(found: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: found[name] for name in names}


def _json(facts: Mapping[str, Any]) -> TextContent:
    return TextContent(type="text", text=json.dumps(facts, ensure_ascii=False))

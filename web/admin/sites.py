"""The list of sites, and what can be done to many of them at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, abort, request

from errors import InvalidOption, NotFound
from services import Services
from sites import MOST_AT_ONCE, DraftReader, Site, split_tags
from web.admin.identity import record
from web.admin.list_query import SORTS, SiteListQuery
from web.admin.responses import own_path, say, see_path
from web.ui.pages import page

_NAMED = 20  # sites that a confirmation names
_AUDITED_URLS = 3  # that an entry of the audit log has
_FIND = 100  # sites that the catalogue finds at a time
_OFFERED_TAGS = 200

Edit = Callable[[Site], Mapping[str, Any]]


def add_site_list(views: Blueprint, services: Services) -> None:
    catalogue, public_url = services.catalogue, services.settings.public_url
    drafts = services.drafts

    @views.get("/sites")
    def sites() -> Response:
        query = SiteListQuery.of(request.args)
        found = catalogue.find(query.filters())
        tags, counts = catalogue.tags()[:_OFFERED_TAGS], catalogue.counts()
        return page("admin/sites.html", query=query, found=found, tags=tags, counts=counts, sorts=SORTS)

    @views.post("/sites/selected")
    def change_selected() -> Response:
        """Do one thing to all sites that are ticked, or to all that the list's filters match."""
        action, back = request.form.get("action", ""), own_path(request.form.get("back", ""), public_url)
        ids = list(_selected_ids(services))
        if not ids:
            say("No site was selected, so nothing was changed.")
            return see_path(back)
        if action == "remove":
            return _ask_to_remove(services, ids, back)
        if action == "capture":
            done = catalogue.request_capture(ids)
            say(f"{_sites(done)} will be captured again.")
            record(services, "asked for captures", _named(_known(services, ids[:_AUDITED_URLS])), f"{done:,} in all")
        else:
            changed = catalogue.change_all(ids, _edit_of(drafts, action))
            say(_SAID[action].format(sites=_sites(len(changed))))
            record(services, _AUDITED[action], _named(changed), request.form.get("tags", ""))
        return see_path(back)

    @views.post("/sites/remove")
    def remove_selected() -> Response:
        back = own_path(request.form.get("back", ""), public_url)
        removed = catalogue.remove_all(_ticked())
        record(services, "removed sites", _named(removed))
        say(f"{_sites(len(removed))} removed, with pictures and history.")
        return see_path(back)


_SAID = {
    "tag": "{sites} tagged.",
    "untag": "{sites} without the tag now.",
    "pause": "{sites} paused: no captures until they are resumed.",
    "resume": "{sites} resumed.",
}
_AUDITED = {"tag": "tagged sites", "untag": "removed tags of sites", "pause": "paused sites", "resume": "resumed sites"}


def _edit_of(drafts: DraftReader, action: str) -> Edit:
    """Return what an action changes of a site. Raises InvalidOption."""
    if action in ("pause", "resume"):
        return lambda _site: {"paused": action == "pause"}
    if action not in ("tag", "untag"):
        abort(400)
    tags = _typed_tags(drafts)
    if not tags:
        raise InvalidOption("is empty; write the tag to add or to take away", field="tags")
    if action == "tag":
        return lambda site: drafts.changes({"tags": [*site.tags, *tags]}, site.url)
    return lambda site: {"tags": tuple(tag for tag in site.tags if tag not in tags)}


def _typed_tags(drafts: DraftReader) -> tuple[str, ...]:
    typed = split_tags(request.form.get("tags", ""))
    tags: tuple[str, ...] = drafts.changes({"tags": typed}, "")["tags"]
    return tags


def _selected_ids(services: Services) -> Iterator[int]:
    if "all" not in request.form:
        yield from _ticked()
        return
    query: SiteListQuery | None = replace(SiteListQuery.of(request.form), cursor="")
    for _ in range(MOST_AT_ONCE // _FIND):
        if query is None:
            return
        found = services.catalogue.find(query.filters(_FIND))
        yield from (site.id for site in found.sites)
        query = query.at(found.next) if found.next else None


def _ticked() -> Iterator[int]:
    ids = dict.fromkeys(request.form.getlist("site", type=int))
    yield from list(ids)[:MOST_AT_ONCE]


def _ask_to_remove(services: Services, ids: list[int], back: str) -> Response:
    named = _known(services, ids[:_NAMED])
    return page("admin/remove.html", ids=ids, named=named, back=back)


def _named(sites: Sequence[Site]) -> str:
    """Name sites for the audit log: by URL, since ids mean nothing after the sites are gone."""
    urls = [site.url for site in sites[:_AUDITED_URLS]]
    more = len(sites) - len(urls)
    return ", ".join(urls) + (f" and {more:,} more" if more else "")


def _known(services: Services, ids: Sequence[int]) -> list[Site]:
    """Return the sites of a few ids, without those that were removed meanwhile."""
    found = []
    for id_ in ids:
        with suppress(NotFound):
            found.append(services.catalogue.get(id_))
    return found


def _sites(count: int) -> str:
    return f"{count:,} site{'' if count == 1 else 's'}"

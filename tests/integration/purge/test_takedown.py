"""BLOCKED_TARGETS: pages that are shown to nobody, on whatever way they are asked for."""

import io
import json
import time
import zipfile

import pytest

import config
from access import BlockedTargets
from app import create_app
from jobs import CAPTURE, INTERACTIVE, TaskMessage
from tests.support.screenshot_api import drawn, refuse, running_screenshot_api
from tests.support.visitors import PAGE, get
from urls import locate

BLOCKED = "https://blocked.example/page"


def is_blocked(patterns, url):
    return [each for each in BlockedTargets(patterns).patterns if each.matches(locate(url))] != []


@pytest.mark.parametrize(
    ("pattern", "blocked", "shown"),
    [
        ("example.com", ["https://example.com/", "http://example.com:8080/a?b"], ["https://a.example.com/"]),
        ("*.example.com", ["https://a.example.com/", "https://b.a.example.com/x"], ["https://example.com/"]),
        (
            "example.com/private",
            ["https://example.com/private", "https://example.com/private/x", "https://example.com/private?x#y"],
            ["https://example.com/privateer", "https://example.com/", "https://example.com/Private"],
        ),
        ("example.com/private", ["https://example.com/private;jsessionid=1"], []),
        ("example.com/private*", ["https://example.com/privateer"], ["https://example.com/priv"]),
        ("example.com/a/", ["https://example.com/a/", "https://example.com/a/b"], ["https://example.com/a"]),
        ("example.com/p?id=3", ["https://example.com/p?id=3"], ["https://example.com/p?id=4", "https://example.com/p"]),
        ("EXAMPLE.com/%70age", ["https://example.com/page", "https://example.com/p%61ge"], []),
        ("example.com/private", ["https://example.com//private", "https://example.com/%2Fprivate"], []),
        ("93.184.216.34", ["https://93.184.216.34/x"], ["https://93.184.216.35/"]),
        ("xn--bcher-kva.example", ["https://bücher.example/"], []),
        ("example.com/straße", ["https://example.com/stra%C3%9Fe"], []),
    ],
)
def test_a_pattern_blocks_pages_however_they_are_spelt(pattern, blocked, shown):
    assert [url for url in blocked if not is_blocked([pattern], url)] == []
    assert [url for url in shown if is_blocked([pattern], url)] == []


@pytest.mark.parametrize("pattern", ["", "*", "*.", "/path", "a b.com", "user@example.com", "exa*mple.com", "a/b c"])
def test_a_pattern_that_means_nothing_is_an_error(pattern):
    with pytest.raises(ValueError):
        BlockedTargets([pattern])


@pytest.fixture
def blocking(make_built, tmp_path):
    """A client whose operator has blocked a host, after a picture of it was captured."""
    before = make_built()
    get(create_app(before.settings, before).test_client(), BLOCKED)
    built = make_built(blocked_targets="blocked.example,*.blocked.example")
    return create_app(built.settings, built).test_client()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("get", f"/thumb?url={BLOCKED}", None),
        ("get", "/thumb?url=http://blocked.example:80/", None),
        ("get", "/thumb?url=blocked.example", None),
        ("get", "/thumb?url=https://blocked.example./page", None),
        ("get", f"/t/w=320/{BLOCKED}", None),
        ("get", "/thumb?url=https://www.blocked.example/&fresh=1", None),
        ("get", f"/meta?url={BLOCKED}", None),
        ("get", f"/icon?url={BLOCKED}", None),
        ("get", f"/embed?url={BLOCKED}", None),
        ("post", "/thumb", {"url": BLOCKED}),
        ("post", "/persist", {"url": BLOCKED}),
        ("post", "/screenshots", {"url": BLOCKED}),
        ("post", "/screenshots", {"urls": [PAGE, BLOCKED]}),
        ("post", "/v1/screenshot", {"url": BLOCKED}),
        ("post", "/sites", {"url": BLOCKED}),
    ],
)
def test_a_blocked_page_is_shown_on_no_way(blocking, api, method, path, body):
    calls = len(api.calls)
    refused = getattr(blocking, method)(path, **({"json": body} if body else {}))

    assert refused.status_code == 451
    assert any(words in refused.text for words in ("taken_down", "Unavailable For Legal Reasons"))
    assert len(api.calls) == calls


def test_an_image_tag_gets_a_quiet_picture(blocking):
    shown = get(blocking, BLOCKED, headers={"Accept": "image/avif,image/webp,*/*"})

    assert shown.status_code == 451
    assert shown.content_type.startswith("image/")


def test_other_pages_are_shown(blocking):
    assert get(blocking, PAGE).status_code == 200


def test_the_list_is_read_again_when_its_file_changes(tmp_path):
    file = tmp_path / "blocked.txt"
    file.write_text("# by court order\nexample.com/a, example.com/b\n*.example.org # all\n", encoding="utf-8")
    blocked = BlockedTargets(["fixed.example"], file, look_seconds=0)
    assert list(map(str, blocked.patterns)) == ["fixed.example", "example.com/a", "example.com/b", "*.example.org"]

    file.write_text("*\nuser@example.com\nexample.net\n", encoding="utf-8")
    assert list(map(str, blocked.patterns)) == ["fixed.example", "example.net"]

    file.unlink()
    assert "example.net" in map(str, blocked.patterns)  # as before


def test_a_list_that_cannot_be_read_stops_the_start(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BLOCKED_TARGETS_FILE", str(tmp_path / "missing"))
    with pytest.raises(config.ConfigError, match="BLOCKED_TARGETS_FILE"):
        config.load()


def test_new_patterns_purge_what_is_kept(make_built, redis_url, tmp_path):
    before = make_built()
    get(create_app(before.settings, before).test_client(), BLOCKED)
    get(create_app(before.settings, before).test_client(), PAGE)
    built = make_built(blocked_targets="blocked.example")

    assert built.purging.sweeper.sweep() == 1
    assert built.purging.sweeper.sweep() == 0


def test_a_list_of_patterns_is_purged_at_once_and_only_once_without_a_database(make_built, cdn):
    patterns = ",".join(f"host-{number}.example/page" for number in range(50))
    nowhere = "sqlite:////nowhere/thumbnails.db"
    built = make_built(blocked_targets=patterns, database_url=nowhere, purge_urls=cdn.url)
    for _ in range(2):
        built.purging.sweeper.sweep()

    [asked] = cdn.asked
    assert len(asked.headers["Surrogate-Key"].split()) == 50


def test_the_caches_in_front_are_told_of_blocked_sites(make_built, cdn):
    built = make_built(blocked_targets="blocked.example/page", purge_urls=cdn.url)
    shown = make_built()
    ids = [
        shown.catalogue.add(shown.drafts.read({"url": url}), capture=False).id
        for url in (BLOCKED, "https://blocked.example/other", PAGE)
    ]
    built.purging.sweeper.sweep()

    told = {tag for asked in cdn.asked for tag in asked.headers["Surrogate-Key"].split()}
    assert {tag for tag in told if tag.startswith("s-")} == {f"s-{ids[0]}"}


def test_a_site_is_judged_anew_once_its_database_is_back(make_built, tmp_path):
    site_picture = "/sites/1/image"
    built = make_built()
    built.catalogue.add(built.drafts.read({"url": BLOCKED}))
    [claim] = built.site_capturer.choose()
    built.site_capturer.capture(claim, "r" * 16)
    create_app(built.settings, built).test_client().get(site_picture)

    make_built(blocked_targets="blocked.example", database_url="sqlite:////nowhere/x.db").purging.sweeper.sweep()
    later = make_built(blocked_targets="blocked.example")
    later.purging.sweeper.sweep()
    assert create_app(later.settings, later).test_client().get(site_picture).status_code == 451


def test_the_picture_of_a_blocked_site_is_shown_no_more(make_built, tmp_path):
    built = make_built()
    client = create_app(built.settings, built).test_client()
    site = built.catalogue.add(built.drafts.read({"url": BLOCKED}))
    [claim] = built.site_capturer.choose()
    built.site_capturer.capture(claim, "r" * 16)
    path = f"/sites/{site.id}/image"
    assert client.get(path, query_string={"w": 320}).headers["X-Cache"] == "MISS"
    assert client.get(path, query_string={"w": 320}).headers["X-Cache"] == "HIT"

    version = f"/sites/{site.id}/versions/1/image"
    assert [client.get(version).headers["X-Cache"] for _ in range(2)] == ["MISS", "HIT"]

    later = make_built(blocked_targets="blocked.example/page")
    later.purging.sweeper.sweep()
    blocked = create_app(later.settings, later).test_client()
    assert blocked.get(path, query_string={"w": 320}).status_code == 451
    assert blocked.get(version).status_code == 451
    assert blocked.get(f"/sites/{site.id}/diff?from=1&to=1&format=png").status_code == 451
    exported = blocked.get("/sites/export?format=gallery").data
    assert [name for name in zipfile.ZipFile(io.BytesIO(exported)).namelist() if "/pictures/" in name] == []


@pytest.fixture
def engine_api():
    with running_screenshot_api("engine", key="sesame") as server:
        yield server


@pytest.fixture
def led_there():
    """Answer with a picture of a page that has redirected to a blocked one."""

    def led_there(answer):
        body, content_type = drawn(answer)
        answer.reply(200, body, {"Content-Type": content_type, "X-Page-Metadata": json.dumps({"url": BLOCKED})})

    return led_there


@pytest.fixture
def by_engine(engine_api):
    return {"capture_api": "engine", "capture_url": engine_api.url, "capture_api_key": "sesame"}


def test_a_page_that_redirects_to_a_blocked_one_is_not_shown(make_built, by_engine, engine_api, led_there):
    engine_api.behave(led_there)
    built = make_built(**by_engine, blocked_targets="blocked.example")
    client = create_app(built.settings, built).test_client()

    assert [get(client).status_code for _ in range(2)] == [451, 451]
    assert len(engine_api.calls) == 1


def test_a_known_picture_is_withdrawn_once_its_page_redirects_to_a_blocked_one(
    make_built, by_engine, engine_api, led_there
):
    built = make_built(**by_engine, blocked_targets="blocked.example")
    client = create_app(built.settings, built).test_client()
    get(client, w=320)
    engine_api.behave(led_there)

    assert get(client, fresh=1).status_code == 451
    assert [get(client, w=320).status_code, get(client).status_code] == [451, 451]


@pytest.mark.parametrize("reason", ["redirect", "opt-out"])
def test_caches_in_front_remove_a_picture_that_is_withdrawn(make_built, by_engine, engine_api, led_there, cdn, reason):
    built = make_built(**by_engine, blocked_targets="blocked.example", purge_urls=cdn.url, cache_tags=True)
    client = create_app(built.settings, built).test_client()
    path = f"/thumb?url={PAGE}&w=320"
    assert cdn.get(client, path).status_code == 200
    engine_api.behave(led_there if reason == "redirect" else refuse(422, "opted_out", extras={"retryable": False}))
    get(client, fresh=1)

    assert built.purging.in_front.tell_pending(time.time() + 4) == 0
    assert cdn.get(client, path).status_code == (451 if reason == "redirect" else 403)


def test_the_picture_of_a_job_is_not_shown_either(make_built):
    built = make_built()
    built.jobs.store.workers.announce()
    client = create_app(built.settings, built).test_client()
    id_ = client.post("/screenshots", json={"url": BLOCKED}).headers["Location"].rpartition("/")[2]
    run = built.jobs.store.runs.begin(TaskMessage(CAPTURE, INTERACTIVE, id_), "token")
    built.job_pictures.record_outcome(run, built.job_pictures.capture(run.job))
    assert client.get(f"/jobs/{id_}/image").status_code == 200

    later = make_built(blocked_targets="blocked.example")
    assert create_app(later.settings, later).test_client().get(f"/jobs/{id_}/image").status_code == 451

"""The shipped nginx configuration in front of the web process: caching, forwarding, limits, logs."""

import json
import secrets
import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import pytest
import requests

from access import sign
from tests.support.nginx import Edge, running_nginx
from tests.support.processes import stop, wait_until
from tests.support.redis import age_pictures
from tests.support.screenshot_api import blank, refuse, running_screenshot_api
from tests.support.web import running_web_process

pytestmark = pytest.mark.slow

PAGE = "http://93.184.216.34/?token=s3cret"  # must not appear in any log of nginx
IMG = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
PICTURE = {"X-Thumb-State": "fresh", "Cache-Control": "public, max-age=60", "ETag": '"known"'}
BRIEF = PICTURE | {"Cache-Control": "public, max-age=1, stale-while-revalidate=604800"}


@dataclass
class Web:
    """The web process at `url`. `logged` is the size of its log when the test began."""

    url: str
    log: Path
    process: object
    logged: int = 0

    @property
    def asked(self):
        """The number of thumbnail requests that reached the web process."""
        self.wait_for_log()
        lines = self.log.read_bytes()[self.logged :].splitlines()
        events = (json.loads(line) for line in lines if line.startswith(b"{"))
        return sum(event.get("route") == "thumbs.thumb" for event in events)

    def wait_for_log(self):
        """Wait until the log has what the process has responded to: its lines come some milliseconds later, in order."""
        mark = secrets.token_hex(8)
        requests.get(f"{self.url}/health", headers={"X-Request-ID": mark}, timeout=5)
        wait_until(lambda: mark.encode() in self.log.read_bytes(), "the line of the last request")


@pytest.fixture(scope="module")
def upstream():
    with running_screenshot_api("snapsharp", key="sk_live_test") as running:
        yield running


@pytest.fixture
def api(upstream):
    upstream.reset()
    return upstream


@pytest.fixture(scope="module")
def process(redis_server, upstream, tmp_path_factory):
    """One web process for all tests that leave it as it was: its start takes longer than they do."""
    folder = tmp_path_factory.mktemp("web")
    with running_web_process(
        folder / "web.log",
        redis_url=redis_server.url,
        capture_api="snapsharp",
        capture_url=upstream.url,
        thumb_limit="30 per minute",
        capture_api_key="sk_live_test",
        persist_dir=folder / "media",
        originals="redis",  # each test begins with an empty Redis
        memory_cache_bytes=0,
        trusted_proxies=1,
        web_concurrency=1,
    ) as (url, process):
        yield Web(url, folder / "web.log", process)


@pytest.fixture
def web(process, api, redis_url):
    process.wait_for_log()
    return replace(process, logged=process.log.stat().st_size)


@pytest.fixture
def edge(web, folder):
    with running_nginx(folder, web.url) as url:
        yield Edge(url, folder)


@pytest.fixture
def own_web(settings, tmp_path):
    """A web process that the test may stop or whose API may fail."""
    log = tmp_path / "web.log"
    with running_web_process(log, **settings | {"trusted_proxies": 1, "web_concurrency": 1}) as (url, process):
        yield Web(url, log, process)


@pytest.fixture
def own_edge(own_web, folder):
    with running_nginx(folder, own_web.url) as url:
        yield Edge(url, folder)


def test_a_known_picture_is_served_without_the_web_process(edge, web):
    first = edge.thumb(w=320)
    again = edge.thumb(w=320)

    assert (first.status_code, first.headers["X-Edge-Cache"]) == (200, "MISS")
    assert (again.status_code, again.headers["X-Edge-Cache"]) == (200, "HIT")
    assert again.content == first.content
    assert again.headers["ETag"] == first.headers["ETag"]
    assert web.asked == 1


def test_with_the_cache_off_every_request_reaches_the_web_process(site, folder):
    site.add("/thumb", "known", headers=PICTURE)
    change = "proxy_cache pictures;", "proxy_cache off;"
    advice = (Path(__file__).parents[3] / "docs" / "operations" / "refresh.md").read_text(encoding="utf-8")
    with running_nginx(folder, site.url(""), change) as url:
        assert [Edge(url, folder).thumb().status_code for _ in range(3)] == [200] * 3

    assert site.hits("/thumb") == 3
    assert all(line in advice for line in change)


def test_a_cached_picture_does_not_show_the_budget_of_its_first_caller(edge):
    first = edge.thumb()
    again = edge.thumb()

    assert first.headers["RateLimit-Limit"] == "30"
    assert not [name for name in again.headers if name.startswith("RateLimit")]
    assert first.headers["X-Request-ID"] != again.headers["X-Request-ID"]


def test_simultaneous_requests_for_a_cold_page_reach_the_web_process_once(site_edge, site):
    gate = threading.Event()
    site.add("/thumb", "picture", headers=PICTURE, content_type="image/png", gate=gate)
    with ThreadPoolExecutor(20) as pool:
        herd = [pool.submit(site_edge.thumb) for _ in range(20)]
        wait_until(lambda: site.hits("/thumb"), "the first of them")
        time.sleep(0.5)  # lets the other requests arrive; a late one makes no difference
        gate.set()

    assert {asked.result().text for asked in herd} == {"picture"}
    assert site.hits("/thumb") == 1


def test_simultaneous_requests_for_a_slow_page_cost_one_capture(edge, api):
    api.latency = 4  # longer than nginx lets simultaneous requests wait
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: edge.thumb(w=320), range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(api.calls) == 1


def test_a_request_does_not_wait_long_in_nginx_for_another_one(site_edge, site):
    gate = threading.Event()
    site.add("/thumb", "{}", status=502, headers={"Cache-Control": "no-store"}, gate=gate)
    with ThreadPoolExecutor(20) as pool:
        herd = [pool.submit(site_edge.thumb) for _ in range(20)]
        try:
            wait_until(lambda: site.hits("/thumb") == 20, "the web process's word for each", timeout=8)
        finally:
            gate.set()

    assert {asked.result().status_code for asked in herd} == {502}


def test_a_matching_etag_gets_a_304_from_nginx(edge, web):
    etag = edge.thumb().headers["ETag"]
    answer = edge.thumb(headers={"If-None-Match": etag})

    assert (answer.status_code, answer.content) == (304, b"")
    assert web.asked == 1


def test_a_program_reads_the_state_of_a_stored_picture(edge):
    edge.thumb()
    state = edge.thumb(headers={"Accept": "application/json"})

    assert (state.status_code, state.json()["state"]) == (200, "ready")
    assert edge.thumb().headers["X-Edge-Cache"] == "HIT"


def test_errors_and_placeholders_are_never_stored(own_edge, api):
    api.behave(refuse(500, "internal_error"), times=20)
    problem = own_edge.thumb()
    placeholder = own_edge.thumb(headers={"Accept": IMG})
    refused = own_edge.thumb("http://169.254.169.254/")
    api.latency = 1
    pending = own_edge.thumb("http://93.184.216.34/slow", {"Accept": IMG}, wait=0)

    assert [answer.status_code for answer in (problem, placeholder, refused, pending)] == [502, 502, 400, 202]
    assert placeholder.headers["X-Thumb-State"] == "error"
    assert pending.headers["X-Thumb-State"] == "pending"
    assert own_edge.stored == 0


def test_a_blank_picture_is_never_stored(edge, web, api):
    """If the page failed afterwards, nginx would serve the blank picture as stale for days."""
    api.behave(blank, times=2)
    answers = [edge.thumb() for _ in range(2)]

    assert [(answer.status_code, answer.headers["X-Edge-Cache"]) for answer in answers] == [(200, "MISS")] * 2
    assert answers[1].headers["X-Cache"] == "HIT"
    assert edge.stored == 0


def test_a_request_with_wait_does_not_wait_for_another_ones_capture(edge, api):
    api.latency = 2
    with ThreadPoolExecutor(1) as pool:
        patient = pool.submit(edge.thumb)
        wait_until(lambda: api.calls, "the capture")
        began = time.monotonic()
        assert edge.thumb(wait=0, headers={"Accept": IMG}).status_code == 202
        assert time.monotonic() - began < 1
        assert patient.result().status_code == 200


@pytest.mark.parametrize(
    ("options", "headers"), [({"wait": 0}, {}), ({"wait": 20}, {}), ({}, {"Prefer": "respond-async"})]
)
def test_requests_that_prefer_not_to_wait_do_not_wait_for_each_other(site, folder, options, headers):
    gate = threading.Event()
    site.add("/thumb", "picture", headers=PICTURE, content_type="image/png", gate=gate)
    longer = "proxy_cache_lock_timeout 3s", "proxy_cache_lock_timeout 60s"
    with running_nginx(folder, site.url(""), longer) as url, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(Edge(url, folder).thumb, headers=headers, **options) for _ in range(2)]
        try:
            wait_until(lambda: site.hits("/thumb") == 2, "the web process's word for both", timeout=20)
        finally:
            gate.set()
    assert {answer.result().text for answer in asked} == {"picture"}


def test_a_request_that_prefers_not_to_wait_gets_cached_pictures(edge, web, api):
    api.latency = 0.5
    assert edge.thumb(wait=0, headers={"Accept": IMG}).status_code == 202
    wait_until(lambda: edge.thumb(wait=0).status_code == 200, "the picture")
    asked = web.asked
    again = edge.thumb(wait=0)

    assert (again.status_code, again.headers["X-Edge-Cache"]) == (200, "HIT")
    assert edge.thumb(wait=0, headers={"If-None-Match": again.headers["ETag"]}).status_code == 304
    assert web.asked == asked


def test_each_class_of_browser_gets_its_best_format(edge):
    modern = edge.thumb(format="auto", headers={"Accept": IMG})
    old = edge.thumb(format="auto", headers={"Accept": "image/png,*/*;q=0.5"})
    again = edge.thumb(format="auto", headers={"Accept": IMG})

    assert modern.headers["Vary"] == "Accept"
    assert modern.headers["Content-Type"] == again.headers["Content-Type"] == "image/avif"
    assert old.headers["Content-Type"] == "image/png"
    assert again.headers["X-Edge-Cache"] == "HIT"


def test_a_picture_outlives_the_web_process(own_edge, own_web, redis_url):
    own_edge.thumb(ttl=60, w=100)  # captures the page
    age_pictures(redis_url, 58)
    picture = own_edge.thumb(ttl=60, w=200)
    assert picture.headers["Cache-Control"].startswith(("public, max-age=1,", "public, max-age=2,"))
    stop(own_web.process)
    time.sleep(2.1)

    stale = own_edge.thumb(ttl=60, w=200)
    unknown = own_edge.thumb("http://93.184.216.34/other?token=s3cret")
    shown = own_edge.thumb("http://93.184.216.34/other?token=s3cret", {"Accept": IMG})

    assert (stale.status_code, stale.content) == (200, picture.content)
    assert stale.headers["X-Edge-Cache"] in {"STALE", "UPDATING"}
    assert (stale.headers["X-Thumb-State"], stale.headers["Cache-Control"]) == ("stale", "public, max-age=60")
    assert (unknown.status_code, unknown.json()["code"]) == (503, "upstream_unavailable")
    assert unknown.json()["request_id"] == unknown.headers["X-Request-ID"]
    assert unknown.headers["Retry-After"] == "5"
    assert (shown.status_code, shown.headers["X-Error-Code"]) == (503, "upstream_unavailable")
    assert shown.headers["Content-Type"] == "image/svg+xml"


def test_a_stale_picture_is_served_while_nginx_requests_a_new_one(site_edge, site):
    site.add("/thumb", "old", headers=BRIEF, content_type="image/png")
    kinds = ({}, {"wait": 3})
    for options in kinds:
        site_edge.thumb(**options)
    site.add("/thumb", "new", headers=BRIEF | {"ETag": '"other"'}, content_type="image/png")
    time.sleep(2.1)

    assert [site_edge.thumb(**options).text for options in kinds] == ["old", "old"]
    wait_until(lambda: all(site_edge.thumb(**options).text == "new" for options in kinds), "the new pictures")


def test_a_stale_picture_is_marked_as_stale(site_edge, site):
    site.add("/thumb", "old", headers=BRIEF, content_type="image/png")
    known = site_edge.thumb()
    assert (known.headers["X-Thumb-State"], known.headers["Cache-Control"]) == ("fresh", BRIEF["Cache-Control"])
    gate = threading.Event()
    site.add("/thumb", "new", headers=BRIEF, content_type="image/png", gate=gate)
    time.sleep(2.1)

    old = [site_edge.thumb(headers=asked) for asked in ({}, {}, {"If-None-Match": '"known"'})]
    gate.set()
    assert [answer.headers["X-Edge-Cache"] for answer in old] == ["STALE", "UPDATING", "UPDATING"]
    assert [answer.status_code for answer in old] == [200, 200, 304]
    assert {answer.headers["X-Thumb-State"] for answer in old} == {"stale"}
    assert {answer.headers["Cache-Control"] for answer in old} == {"public, max-age=60"}


def test_a_revalidated_picture_has_its_current_age(edge, web, redis_url):
    edge.thumb(ttl=60, w=100)  # captures the page
    age_pictures(redis_url, 58)
    first = edge.thumb(ttl=60, w=200)
    wait_until(lambda: edge.thumb(ttl=60, w=200).headers["X-Edge-Cache"] == "STALE", "the end of its time")
    wait_until(lambda: edge.thumb(ttl=60, w=200).headers["X-Edge-Cache"] == "HIT", "the web process's answer")

    now = edge.thumb(ttl=60, w=200)
    assert first.headers["X-Thumb-State"] == "fresh"
    assert now.headers["ETag"] == first.headers["ETag"], "the same picture"
    assert (now.headers["X-Thumb-State"], now.headers["Cache-Control"]) == ("stale", "public, max-age=60")


@pytest.mark.parametrize(
    ("path", "status", "keeping"),
    [
        ("/media/a.png", 200, "public, max-age=31536000, immutable"),
        ("/persist", 200, "no-store"),
        ("/thumb", 202, "no-store"),
        ("/thumb", 400, "no-store"),
        ("/thumb", 200, "private, max-age=7"),
    ],
)
def test_cache_control_is_passed_on(site_edge, site, path, status, keeping):
    site.add(path, "{}", status=status, headers={"Cache-Control": keeping})
    assert site_edge.get(path).headers["Cache-Control"] == keeping


def test_a_response_without_cache_control_gets_none(site_edge, site):
    site.add("/health", "{}")
    answer = site_edge.get("/health")
    assert not {"Cache-Control", "X-Thumb-State"} & answer.headers.keys()


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({"fresh": "1"}, {}),
        ({"fresh": ""}, {}),
        ({"expires": "1900000000", "sig": "abc"}, {}),
        ({}, {"Authorization": "Bearer abc"}),
        ({}, {"X-API-Key": "abc"}),
    ],
)
def test_personal_and_fresh_requests_bypass_the_cache(site_edge, site, options, headers):
    site.add("/thumb", "picture", headers=PICTURE, content_type="image/png")
    answers = [site_edge.thumb(headers=headers, **options) for _ in range(2)]

    assert [answer.headers["X-Edge-Cache"] for answer in answers] == ["BYPASS", "BYPASS"]
    assert site.hits("/thumb") == 2
    assert site_edge.stored == 0


@pytest.mark.parametrize("query", ["f%72esh=1", "e%78pires=1900000000&sig=abc", "%77ait=0"])
def test_personal_requests_bypass_the_cache_however_the_option_is_spelt(site_edge, site, query):
    site.add("/thumb", "picture", headers=PICTURE, content_type="image/png")
    address = f"{site_edge.url}/thumb?url=http%3A%2F%2F93.184.216.34%2F&{query}"
    for _ in range(2):
        with urlopen(address, timeout=30) as answer:  # not requests, which would decode the name
            assert answer.headers["X-Edge-Cache"] == "BYPASS"
    assert site_edge.stored == 0


def test_a_signed_url_is_cached_like_any_other(site_edge, site):
    site.add("/thumb", "picture", headers=PICTURE, content_type="image/png")
    answers = [site_edge.thumb(sig="abc", w=320) for _ in range(2)]

    assert answers[1].headers["X-Edge-Cache"] == "HIT"
    assert site_edge.thumb(sig="other", w=320).headers["X-Edge-Cache"] == "MISS"


def test_a_cacheable_response_that_is_no_picture_is_not_stored(site_edge, site):
    site.add("/thumb", "odd", headers={"Cache-Control": "public, max-age=60"})
    site_edge.thumb()
    assert site_edge.stored == 0


def test_a_post_is_passed_on_each_time_even_beside_a_stored_picture(edge, web, api):
    edge.thumb()
    for _ in range(2):
        posted = requests.post(f"{edge.url}/thumb", json={"url": PAGE}, timeout=30)
        assert (posted.status_code, posted.headers["X-Cache"]) == (200, "HIT")
    assert edge.thumb().headers["X-Edge-Cache"] == "HIT"
    assert edge.stored == 1


def test_pictures_of_the_contract_are_passed_on_and_not_stored(edge):
    answers = [edge.get("/v1/screenshot", url=PAGE) for _ in range(2)]

    assert [answer.headers["X-Cache"] for answer in answers] == ["MISS", "HIT"]
    assert answers[0].headers["Cache-Control"] == "private, no-cache"
    assert answers[1].headers["X-RateLimit-Limit"] == "30"
    assert "X-Edge-Cache" not in answers[1].headers
    assert edge.stored == 0


def test_the_web_process_gets_the_clients_address_and_scheme(site_edge, site):
    site.add("/persist", "{}", content_type="application/json")
    lies = {"X-Forwarded-For": "198.51.100.7", "X-Real-IP": "198.51.100.8", "X-Forwarded-Proto": "https"}
    answer = site_edge.get("/persist", lies | {"X-Request-ID": "callers-own-id", "Host": "thumbs.example:8443"})
    seen = {name.lower(): value for name, value in site.requests[0].headers.items()}

    assert seen["host"] == seen["x-forwarded-host"] == "thumbs.example:8443"
    assert seen["x-forwarded-for"] == "198.51.100.7, 127.0.0.1", "one proxy is trusted: its word is the last one"
    assert seen["x-real-ip"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "http"
    assert seen["x-request-id"] == answer.headers["X-Request-ID"] == "callers-own-id"


def test_the_web_process_charges_the_visitor_not_the_proxy(edge):
    for number in range(31):
        forged = (f"198.51.100.{number}", '"', f'198.51.100.{number}, "')[number % 3]
        edge.thumb(f"http://93.184.216.34/{number}", {"X-Forwarded-For": forged}, visitor="127.0.0.2")
    last = edge.thumb("http://93.184.216.34/last", visitor="127.0.0.2")

    assert last.status_code == 429, "a client cannot choose its address by a header"
    assert edge.thumb("http://93.184.216.34/last").status_code == 200, "another visitor, from where the proxy is too"


def test_an_invalid_request_id_is_replaced(site_edge, site):
    site.add("/thumb", "picture", headers=PICTURE)
    answer = site_edge.thumb(headers={"X-Request-ID": "not an id"})
    assert len(answer.headers["X-Request-ID"]) == 32


def test_the_longest_url_is_passed_on(edge):
    longest = PAGE + "é" * ((2048 - len(PAGE)) // 6)  # each is `%C3%A9`, and its percent signs are encoded once more
    assert edge.thumb(longest).status_code == 200
    assert edge.thumb(longest).headers["X-Edge-Cache"] == "HIT"


def test_a_flood_gets_the_same_429_as_from_the_service(site_edge, site):
    site.add("/nothing")
    answers = site_edge.flood("/nothing", 700, lambda number: {"Accept": IMG} if number % 2 else {})
    refused = [answer for answer in answers[::2] if answer.status_code == 429]
    shown = [answer for answer in answers[1::2] if answer.status_code == 429]

    assert refused
    assert len(answers) - len(refused) - len(shown) >= 200, "the burst that a page of thumbnails is"
    assert refused[0].headers["Content-Type"] == "application/problem+json"
    assert refused[0].json()["code"] == "rate_limited"
    assert refused[0].json()["request_id"] == refused[0].headers["X-Request-ID"]
    assert refused[0].headers["Cache-Control"] == "no-store"
    assert {answer.headers["X-Error-Code"] for answer in shown} == {"rate_limited"}


def test_snapsharps_clients_get_its_envelope_from_nginx_too(site, folder):
    site.add("/v1/screenshot")
    with running_nginx(folder, site.url(""), *STRICT) as url:
        answers = [requests.get(f"{url}/v1/screenshot", headers={"Accept": IMG}, timeout=30) for _ in range(3)]
    assert answers[-1].status_code == 429
    assert answers[-1].json()["error"] == "rate_limited"
    assert answers[-1].json()["retry_after"] == int(answers[-1].headers["Retry-After"])


STRICT = [
    ("# set_real_ip_from 192.0.2.0/24;", "set_real_ip_from 127.0.0.1;"),
    ("# real_ip_header X-Forwarded-For;", "real_ip_header X-Forwarded-For;"),
    ("rate=50r/s", "rate=1r/m"),
    ("burst=200", "burst=1"),
]
CLIENTS = [  # each has several addresses, in the spellings of nginx
    ("192.0.2.1",) * 3,
    ("192.0.2.2",) * 3,
    ("::ffff:192.0.2.1",) * 3,
    ("2001:db8:1:2::", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:0:1::", "2001:DB8:1:2::1"),
    ("2001:db8:1:3::1", "2001:db8:1:3:3:4:5:6", "2001:db8:1:3:0:1::"),
    ("2001:db8:1::1", "2001:db8:1:0:1:2:3:4", "2001:db8:1:0:1::"),
    ("2001:db8::", "2001:db8::1:2:3:4", "2001:db8:0:0:1::", "2001:db8::1:0:0:1"),
    ("2001:0:1:2::1", "2001:0:1:2:3:4:5:6", "2001:0:1:2:0:1::"),
    ("2001:0:1::1", "2001:0:1:0:1:2:3:4", "2001:0:1:0:1::"),
    ("2001::1:2:3:4:5", "2001:0:0:1::5", "2001:0:0:1:2::"),
    ("2001::", "2001::1:2:3:4", "2001::1:0:0:0"),
]


def test_a_flood_from_one_ipv6_network_counts_as_one_client(site, folder):
    site.add("/nothing")
    with running_nginx(folder, site.url(""), *STRICT) as url, requests.Session() as session:
        for addresses in CLIENTS:
            asked = [session.get(f"{url}/nothing", headers={"X-Forwarded-For": each}) for each in addresses]
            expected = [200, 200] + [429] * (len(addresses) - 2)
            assert [answer.status_code for answer in asked] == expected, addresses


def test_slow_bodies_of_one_client_take_nothing_from_others(edge, api):
    edge.thumb(visitor="127.0.0.2")
    edge_address = (urlsplit(edge.url).hostname, urlsplit(edge.url).port)
    head = b"POST /persist HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{"
    with ExitStack() as opened:
        for _ in range(210):
            slow = opened.enter_context(socket.create_connection(edge_address))
            slow.sendall(head)
        wait_until(lambda: edge.get("/health").status_code == 429, "the limit")
        refused = edge.get("/thumb", {"Accept": IMG}, url=PAGE)
        problem = edge.get("/persist")
        known = edge.thumb(visitor="127.0.0.2")
        new = edge.thumb(PAGE + "&other", visitor="127.0.0.2")

    assert (refused.status_code, refused.headers["X-Error-Code"]) == (429, "rate_limited")
    assert "200 requests at a time" in problem.json()["detail"]
    assert problem.json()["request_id"] == problem.headers["X-Request-ID"]
    assert (known.status_code, known.headers["X-Edge-Cache"], new.status_code) == (200, "HIT", 200)
    wait_until(lambda: edge.get("/health").status_code == 200, "the end of the limit")


def test_a_page_of_sixty_pictures_may_ask_for_all_at_once(site_edge, site):
    site.add("/thumb", "picture", headers=PICTURE, content_type="image/png")
    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda number: site_edge.thumb(f"{PAGE}&{number}"), range(60)))

    assert {answer.status_code for answer in answers} == {200}


def test_known_pictures_are_never_refused(site_edge, site):
    site.add("/thumb", "picture", headers=PICTURE, content_type="image/png")
    site_edge.thumb()
    answers = site_edge.flood("/thumb", 500, url=PAGE)

    assert {answer.status_code for answer in answers} == {200}
    assert site.hits("/thumb") == 1


def test_in_a_flood_stale_pictures_are_served(site_edge, site):
    site.add("/thumb", "picture", headers=PICTURE | {"Cache-Control": "public, max-age=1"}, content_type="image/png")
    site.add("/nothing")
    site_edge.thumb()
    time.sleep(2.1)
    site_edge.flood("/nothing", 300)
    answers = site_edge.flood("/thumb", 50, url=PAGE)

    assert {answer.text for answer in answers} == {"picture"}


def test_health_has_no_limit_and_metrics_are_not_reachable_from_outside(site_edge, site):
    site.add("/health", "{}")
    site.add("/metrics", "secret")
    answers = site_edge.flood("/health", 300)

    assert {answer.status_code for answer in answers} == {200}
    assert site_edge.get("/metrics").json()["code"] == "not_found"


def test_the_log_names_no_page(edge):
    edge.thumb("http://93.184.216.34/secret-path?token=s3cret")
    lines = (edge.folder / "access.log").read_text
    wait_until(lambda: '"path":"/thumb"' in lines(), "the log line")
    event = json.loads(lines().splitlines()[-1])

    assert "secret" not in lines()
    assert event["status"] == 200
    assert event["edge_cache"] == "MISS"


def slow_reader(site, edge):
    """A response larger than all buffers, for a client that reads it only after nginx has put it on disk."""
    site.add("/thumb", bytes(16 << 20), headers=PICTURE, content_type="image/png")
    address = urlsplit(edge.url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((address.hostname, address.port))
        query = urlencode({"url": PAGE, "expires": 1900000000, "sig": "abc"})
        client.sendall(f"GET /thumb?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        wait_until(lambda: site.answered, "the end of the answer")
        while client.recv(1 << 20):
            pass


def web_process_that_dies_in_an_answer(site, edge):
    site.add("/thumb", b"half of it", headers=PICTURE, content_type="image/png", endless=True)
    with ThreadPoolExecutor(1) as pool:
        cut = pool.submit(edge.thumb, sig="abc")
        wait_until(lambda: site.requests, "the request")
        site.closing.set()
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            cut.result()


def web_process_that_hangs_up(site, edge):
    site.add("/thumb", hangs_up=True)
    assert edge.thumb(sig="abc").status_code == 503


def cache_that_cannot_be_written(site, edge):
    site.add("/thumb", "picture", headers=PICTURE, content_type="image/png")
    shutil.rmtree(edge.folder / "cache")
    (edge.folder / "cache").touch()
    with pytest.raises(requests.exceptions.ConnectionError):
        edge.thumb(sig="abc")


@pytest.mark.parametrize(
    "trouble",
    [slow_reader, web_process_that_dies_in_an_answer, web_process_that_hangs_up, cache_that_cannot_be_written],
)
def test_no_log_names_a_page_on_any_error(site, folder, trouble):
    with running_nginx(folder, site.url("")) as url:
        trouble(site, Edge(url, folder))
    written = "".join((folder / name).read_text() for name in ("access.log", "error.log", "stderr"))

    assert '"path":"/thumb"' in written
    assert "s3cret" not in written
    assert "sig=" not in written


def test_the_log_shows_which_requests_the_web_process_did_not_answer(site, folder):
    with running_nginx(folder, site.url("")) as url:
        edge = Edge(url, folder)
        site.add("/thumb", "its own", status=502)
        answered = edge.thumb()
        web_process_that_hangs_up(site, edge)
    (refused,) = [event for event in events_of(folder, "edge") if event["status"] == 503]
    (unavailable,) = events_of(folder, "web_unavailable")

    assert (answered.status_code, answered.text) == (502, "its own")
    assert unavailable["request_id"] == refused["request_id"]
    assert site.address in unavailable["upstream"]
    assert set(unavailable["upstream_status"].split(", ")) == {"502"}, "nginx may have tried twice"


def test_a_visitor_who_disconnects_is_not_logged_as_a_fault_of_the_web_process(site, folder):
    site.add("/persist", gate=threading.Event())
    with running_nginx(folder, site.url("")) as url:
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port)) as client:
            client.sendall(b"GET /persist HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_until(lambda: site.requests, "the request")
        wait_until(lambda: events_of(folder, "edge"), "the log line")

    assert [event["status"] for event in events_of(folder, "edge")] == [499]
    assert events_of(folder, "web_unavailable") == []


def test_the_log_shows_whether_a_response_arrived(site, folder):
    with running_nginx(folder, site.url("")) as url:
        edge = Edge(url, folder)
        site.add("/thumb", "picture", headers=PICTURE, content_type="image/png")
        edge.thumb()
        edge.thumb(headers={"If-None-Match": PICTURE["ETag"]})
        requests.head(f"{url}/thumb", params={"url": PAGE}, timeout=30)
        cache_that_cannot_be_written(site, edge)

    assert sorted(event["complete"] for event in events_of(folder, "edge")) == [False, True, True, True]


def events_of(folder, name):
    events = map(json.loads, (folder / "access.log").read_text().splitlines())
    return [event for event in events if event["event"] == name]


def test_a_signed_url_ends_at_the_edge_when_it_says(settings, tmp_path, folder):
    """However the name of its end is spelt."""
    key = "a-signing-key-of-tests-0001"
    signed = {"trusted_proxies": 1, "signing_keys": key, "web_concurrency": 1}
    web = running_web_process(tmp_path / "web.log", **settings | signed)
    with web as (url, _), running_nginx(folder, url) as edge:
        assert requests.get(f"{edge}/health", timeout=30).status_code == 200, "it has started"

        def signed_until(end, name):
            shown = sign(key, [("url", PAGE), ("expires", str(end))])
            return f"{edge}/thumb?{urlencode({'url': PAGE, 'sig': shown})}&{name}={end}"

        urlopen(
            signed_until(int(time.time()) + 3600, "expires"), timeout=30
        ).close()  # so that no capture is awaited below
        end = int(time.time()) + 5
        addresses = [signed_until(end, name) for name in ("expires", "e%78pires")]
        for address in addresses:
            with urlopen(address, timeout=30) as answer:
                assert answer.status == 200
        wait_until(lambda: time.time() >= end + 1, "the end")
        for address in addresses:
            with pytest.raises(HTTPError) as refused:
                urlopen(address, timeout=30)
            assert json.load(refused.value)["code"] == "expired_signature"

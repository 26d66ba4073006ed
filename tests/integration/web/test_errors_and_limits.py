"""Errors as JSON and as placeholders, limits, outages of Redis and of the screenshot API."""

import io
import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis
import structlog
from PIL import Image

import logs
from netguard import MOST_LOOKUPS
from tests.support import screenshot_api as lying
from tests.support.processes import free_port, stop, wait_until
from tests.support.redis import age_pictures, running_redis
from tests.support.screenshot_api import refuse
from tests.support.visitors import Crowd

PAGE = "https://example.com/"
BROWSER_IMG = {"Accept": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}


def get(client, url=PAGE, headers=None, **options):
    return client.get("/thumb", query_string={"url": url, **options}, headers=headers)


def test_captures_are_limited_and_hits_are_free(make_client, api):
    client = make_client(thumb_limit="2 per hour")
    first = get(client)
    get(client, "https://example.org/")
    refused = get(client, "https://example.net/")

    assert first.headers["RateLimit-Limit"] == "2"
    assert first.headers["RateLimit-Remaining"] == "1"
    assert (refused.status_code, refused.json["code"]) == (429, "rate_limited")
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert len(api.calls) == 2
    assert [get(client, w=w).status_code for w in (100, 200, 300)] == [200, 200, 200]


def test_of_two_windows_the_headers_tell_of_the_one_with_less_left(make_client):
    client = make_client(thumb_limit="2 per minute; 3 per hour")
    told = [get(client, f"https://example.com/{page}").headers["RateLimit-Limit"] for page in range(2)]
    longer = make_client(thumb_limit="9 per minute; 10 per day")
    assert told == ["2", "2"]
    assert get(longer, "https://example.com/other").headers["RateLimit-Limit"] == "9"


def test_the_flood_guard_exempts_only_health(make_client):
    client = make_client(request_limit="3 per hour")
    statuses = [client.get("/thumb").status_code for _ in range(4)]

    assert statuses == [400, 400, 400, 429]
    assert client.get("/ready").status_code == 429
    assert all(client.get("/health").status_code == 200 for _ in range(5))


def test_hits_count_against_the_flood_guard_too(make_client):
    client = make_client(request_limit="20 per hour")
    statuses = [get(client).status_code for _ in range(25)]

    assert statuses == [200] * 20 + [429] * 5
    assert client.get("/ready").status_code == 429


def test_hits_are_counted_to_within_a_hundredth_of_the_limit(make_client):
    client = make_client(request_limit="500 per hour", memory_cache_bytes=10_000_000)
    statuses = [get(client).status_code for _ in range(520)]

    assert statuses == sorted(statuses)
    assert 495 <= statuses.count(200) <= 505
    assert client.get("/ready").status_code == 429


def test_refusals_count_against_the_flood_guard_too(make_client):
    client = make_client(request_limit="20 per hour")
    statuses = [get(client, f"http://10.0.0.{i}/").status_code for i in range(25)]

    assert statuses == [400] * 20 + [429] * 5


@pytest.mark.parametrize("url", [PAGE, "http://10.0.0.1/"])
def test_without_redis_the_flood_guard_counts_in_memory(make_client, url):
    client = make_client(redis_url=f"redis://127.0.0.1:{free_port()}/0", request_limit="5 per hour")
    statuses = [get(client, url).status_code for _ in range(20)]

    assert statuses.count(429) >= 10


@contextmanager
def logged(capsys, monkeypatch):
    """Log as in production. Yields a list that holds the events of the block's requests when the block has ended."""
    before, events = logging.getLogger().handlers[:], []
    monkeypatch.setattr(logs, "_write_line", None)  # so that the test's end restores what `configure` sets
    logs.configure("json", "INFO")
    try:
        yield events
    finally:
        logging.getLogger().handlers[:] = before
        structlog.reset_defaults()
    lines = map(json.loads, capsys.readouterr().err.splitlines())
    events += [event for event in lines if event["event"] == "request"]


def test_facts_of_one_request_are_not_in_the_next_event(make_client, capsys, monkeypatch):
    client = make_client()
    with logged(capsys, monkeypatch) as events:
        get(client)
        get(client, "http://10.0.0.1/")
        get(client)
    miss, refusal, hit = events

    assert (refusal["code"], refusal["verdict"], refusal["status"]) == ("blocked_url", "private", 400)
    assert (hit["cache"], hit["host"], hit["status"]) == ("HIT", "example.com", 200)
    assert not {"code", "verdict", "capture_ms"} & hit.keys()
    assert miss.keys() - {"capture_ms"} == hit.keys()


def test_the_log_names_the_client_of_a_refusal_and_the_key_that_was_used(make_client, capsys, monkeypatch):
    """Addresses of those who get what they ask for are not logged."""
    client = make_client(api_keys="cms:a-secret-of-the-cms, shop:a-secret-of-the-shop", thumb_limit="1 per hour")
    with logged(capsys, monkeypatch) as events:
        get(client)
        client.get("/thumb", query_string={"url": "http://10.0.0.1/"}, environ_base={"REMOTE_ADDR": "203.0.113.7"})
        client.get(
            "/thumb", query_string={"url": "https://example.com/other"}, environ_base={"REMOTE_ADDR": "2001:db8::7"}
        )
        client.get(
            "/thumb", query_string={"url": "https://example.com/more"}, environ_base={"REMOTE_ADDR": "2001:db8::8"}
        )
        get(client, "https://example.com/keyed", headers={"X-API-Key": "a-secret-of-the-shop"})
        get(client, "https://example.com/wrong", headers={"X-API-Key": "a-wrong-secret"})

    assert [(event["status"], event.get("client")) for event in events] == [
        (200, None),
        (400, "203.0.113.7"),
        (200, None),
        (429, "2001:db8::/64"),
        (200, "key:shop"),
        (401, "127.0.0.1"),
    ]


def test_a_request_that_the_fast_path_refuses_is_logged_with_its_host(make_client, api, capsys, monkeypatch):
    client = make_client(capture_concurrency=1, capture_queue=0)
    gate = threading.Event()
    api.hold(gate)
    with logged(capsys, monkeypatch) as events:
        crowd = Crowd(client, 1)
        pending = crowd.ask(url="https://example.com/")
        wait_until(lambda: len(api.calls) == 1, "the capture")
        refused = get(client, "https://example.org/")
        gate.set()
        pending.result()

    assert refused.json["code"] == "over_capacity"
    assert [(event["host"], event["status"]) for event in events] == [("example.org", 503), ("example.com", 200)]


def test_facts_of_a_request_that_never_ended_are_not_in_the_next_event(make_client, capsys, monkeypatch):
    """As of one whose greenlet was killed: what serves the connection's next request is the same context."""
    client = make_client()
    structlog.contextvars.bind_contextvars(code="blocked_url")
    with logged(capsys, monkeypatch) as events:
        get(client)
    assert "code" not in events[0]


def test_limits_hold_across_processes(make_client):
    one, other = make_client(thumb_limit="1 per hour"), make_client(thumb_limit="1 per hour")

    assert get(one).status_code == 200
    assert get(other, "https://example.org/").status_code == 429


def test_each_client_has_a_budget_of_its_own(make_client):
    client = make_client(thumb_limit="1 per hour")
    addresses = "93.184.216.34", "93.184.216.35", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"
    statuses = [
        client.get("/thumb", query_string={"url": f"https://example.com/{i}"}, environ_base={"REMOTE_ADDR": address})
        for i, address in enumerate(addresses)
    ]

    assert [response.status_code for response in statuses] == [200, 200, 200, 429, 200]


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP"])
@pytest.mark.parametrize("trusted", [0, 1])
def test_a_forged_header_does_not_change_the_client(make_client, name, trusted):
    client = make_client(thumb_limit="1 per hour", trusted_proxies=trusted)
    proxys = [("X-Forwarded-For", "8.8.8.8")] * trusted  # the server joins headers of one name

    def status(page):
        forged = f"for=1.1.1.{page}" if name == "Forwarded" else f"1.1.1.{page}"
        return get(client, f"https://example.com/{page}", [(name, forged), *proxys]).status_code

    assert [status(page) for page in range(3)] == [200, 429, 429]


@pytest.mark.parametrize("forged", ["1.1.1.{}", '"', '1.1.1.{}, "', '", 1.1.1.{}', '"a\\', "1.1.1.{},,", "\\"])
@pytest.mark.parametrize("appended", [["8.8.8.8"], ["8.8.8.8", "10.0.0.7"]])
def test_a_trusted_proxy_overrides_the_header_of_the_client(make_client, forged, appended):
    client = make_client(thumb_limit="1 per hour", trusted_proxies=len(appended))

    def status(page, *addresses):
        headers = {"X-Forwarded-For": ", ".join(addresses)}
        peer = {"REMOTE_ADDR": f"10.0.1.{page}"}  # the last proxy has many machines
        query = {"url": f"https://example.com/{page}"}
        return client.get("/thumb", query_string=query, headers=headers, environ_base=peer).status_code

    assert [status(page, forged.format(page), *appended) for page in range(3)] == [200, 429, 429]
    assert status(3, forged.format(3), "9.9.9.9", *appended[1:]) == 200


@pytest.mark.parametrize("spelling", ["8.8.8.8:{}", "[2001:db8::{}]:443"])
def test_clients_are_distinguished_although_a_proxy_adds_their_ports(make_client, spelling):
    client = make_client(thumb_limit="1 per hour", trusted_proxies=1)
    names = spelling.format(5001), spelling.format(5002), "9.9.9.9:5001"
    statuses = [
        get(client, f"https://example.com/{i}", {"X-Forwarded-For": name}).status_code for i, name in enumerate(names)
    ]

    assert statuses == [200, 429, 200]


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (refuse(400, "validation_error"), 502, "capture_failed"),
        (refuse(401, "unauthorized"), 503, "upstream_unavailable"),
        (refuse(403, "plan_required"), 503, "upstream_unavailable"),
        (refuse(404, "not_found"), 502, "capture_failed"),
        (refuse(429, "quota_exceeded"), 503, "upstream_quota"),
        (refuse(500, "internal"), 502, "capture_failed"),
        (refuse(504, "timeout"), 504, "capture_timeout"),
    ],
)
def test_an_error_of_the_api_gets_our_code_and_reveals_nothing_about_the_api(make_client, api, answer, status, code):
    api.behave(answer, times=9)
    response = get(make_client(capture_timeout=5))

    assert (response.status_code, response.json["code"]) == (status, code)
    assert "sk_live_test" not in response.text
    assert "snapsharp" not in response.text.lower()
    if status == 503:
        assert int(response.headers["Retry-After"]) > 0


def test_while_the_api_fails_the_last_good_picture_is_served(make_client, api, redis_url):
    client = make_client(cache_ttl=60)
    good = get(client)
    age_pictures(redis_url, seconds=120)
    api.behave(refuse(500, "internal"), times=9)
    stale = [get(client) for _ in range(3)][-1]

    assert stale.status_code == 200
    assert stale.data == good.data
    assert (stale.headers["X-Cache"], stale.headers["X-Thumb-State"]) == ("STALE", "stale")
    assert stale.headers["Cache-Control"] == "public, max-age=60"


def test_a_value_stored_under_another_key_is_a_miss(client, redis_url):
    get(client)
    get(client, "https://example.org/")
    store = redis.Redis.from_url(redis_url)
    keys = sorted(store.keys("thumb:picture:*"))
    values = [store.get(key) for key in keys]
    for key, value in zip(keys, values[1:] + values[:1], strict=True):
        store.set(key, value)

    assert get(client).headers["X-Cache"] == "MISS"


def test_without_redis_pictures_are_captured_and_limits_are_counted_in_memory(make_client, api):
    client = make_client(redis_url=f"redis://127.0.0.1:{free_port()}/0", thumb_limit="2 per hour")
    responses = [get(client), get(client), get(client)]

    assert [response.status_code for response in responses] == [200, 200, 429]
    assert responses[0].headers["X-Cache"] == "BYPASS"
    ready = client.get("/ready")
    assert ready.status_code == 503
    assert (ready.json["state"], ready.json["limits"], ready.json["capture"]) == ("unreachable", "memory", "ok")


def test_a_full_redis_costs_the_cache_and_nothing_else(make_client):
    with running_redis("--maxmemory", "1mb", "--maxmemory-policy", "noeviction") as server:
        client = make_client(redis_url=server.url)
        assert [get(client).status_code for _ in range(2)] == [200, 200]


def test_pictures_are_captured_after_redis_dies(make_client):
    with running_redis() as server:
        client = make_client(redis_url=server.url)
        assert get(client).headers["X-Cache"] == "MISS"
        assert get(client).headers["X-Cache"] == "HIT"
        stop(server.process)
        assert get(client).headers["X-Cache"] == "BYPASS"


def test_health_calls_no_dependency_and_ready_calls_each(make_client, database_url):
    client = make_client(database_url=database_url)

    assert client.get("/health").json["ok"] is True
    ready = client.get("/ready")
    assert ready.status_code == 200
    states = {
        "ok": True,
        "cache": "ok",
        "state": "ok",
        "capture": "ok",
        "storage": "ok",
        "limits": "redis",
        "originals": "ok",
        "database": "ok",
    }
    assert {name: ready.json[name] for name in ready.json if name != "jobs"} == states


def test_captures_in_flight_are_bounded(make_client, api):
    client = make_client(capture_concurrency=1, capture_queue=0)
    app = client.application
    api.latency = 2
    background = threading.Thread(target=lambda: get(app.test_client()))
    background.start()
    wait_until(lambda: len(api.calls) == 1, "the first capture")
    refused = get(client, "https://example.org/")
    background.join()

    assert (refused.status_code, refused.json["code"]) == (503, "over_capacity")
    assert int(refused.headers["Retry-After"]) > 0


SLACK = 8  # seconds that a loaded machine may add
LIES = {
    "content_length_long": lying.content_length_long,
    "content_length_short": lying.content_length_short,
    "announced_huge": lying.announced(str(10**12)),
    "endless": lying.endless(),
    "chunks_cut_off": lying.chunks_cut_off,
    "truncated": lying.truncated,
    "empty": lying.empty,
    "html": lying.html,
    "html_called_png": lying.html_called_png,
    "untyped": lying.untyped,
    "wrong_type": lying.wrong_type,
    "gzip_bomb": lying.gzip_bomb,
    "huge_png_header": lying.huge_png_header,
    "redirect_inside": lying.redirect("http://127.0.0.1:1/"),
    "drip": lying.drip,
    "drip_head": lying.drip_head,
    "silence": lying.silence,
}


@pytest.mark.parametrize("lie", LIES)
def test_a_malformed_response_of_the_api_gets_an_error_and_is_not_stored(make_client, api, redis_url, lie):
    client = make_client(capture_timeout=2)
    api.behave(LIES[lie], times=9)
    forget_peak()
    before, began = peak_memory(), time.monotonic()
    refused = get(client)
    took, grown = time.monotonic() - began, peak_memory() - before

    answers = [(502, "capture_failed"), (502, "page_too_large"), (504, "capture_timeout")]
    assert (refused.status_code, refused.json["code"]) in answers
    assert redis.Redis.from_url(redis_url).keys("thumb:picture:*") == []
    assert took < 2 + SLACK, "drop by drop it may take for ever"
    assert grown < 200 << 20, "what is read is bounded: 25 MiB of answer, 64 megapixels decoded"


def forget_peak():
    """Reset the kernel's record of this process's peak memory, if the kernel allows that."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory():
    """Return the peak of resident memory in bytes, with the memory of Pillow and other C code."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10


FULL = 64000  # bytes, just below the largest body allowed
COSTLY = {
    "many names": "{" + ",".join(f'"{i:x}":1' for i in range(7500)) + "}",
    "many names inside": '{"url":{' + ",".join(f'"{i:x}":1' for i in range(7500)) + "}}",
    "a long name": '{"' + "width" * (FULL // 5) + '":1}',
    "many URLs": '{"urls":[' + ",".join(["{}"] * (FULL // 3)) + "]}",
    "a deep list": "[" * FULL,
    "a deep object": '{"url":' * (FULL // 7),
    "a long number": '{"url":"https://example.com/","width":' + "9" * FULL + "}",
    "a long text for a number": '{"url":"https://example.com/","scale":"' + "1_" * (FULL // 2) + '"}',
    "a long selector": '{"url":"https://example.com/","hide":"' + " " * FULL + '"}',
}


@pytest.mark.parametrize("path", ["/persist", "/screenshots"])
@pytest.mark.parametrize("body", COSTLY)
def test_a_hostile_body_costs_little(client, path, body):
    began = time.thread_time()
    refused = client.post(path, data=COSTLY[body], content_type="application/json")

    assert time.thread_time() - began < 0.3, "the process serves no other request meanwhile"
    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (BROWSER_IMG["Accept"], "image/png"),
        ("image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "image/png"),
        ("image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,*/*;q=0.5", "image/png"),
        ("*/*", "application/problem+json"),
        ("", "application/problem+json"),
        ("application/json", "application/problem+json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", "application/problem+json"),
    ],
)  # fmt: skip
def test_an_error_has_the_format_that_the_caller_prefers(client, accept, content_type):
    assert client.get("/thumb", headers={"Accept": accept}).content_type == content_type


def test_a_placeholder_has_the_size_of_the_requested_picture(client):
    sizes = {
        "": (1280, 720),
        "w=320": (320, 180),
        "h=90": (160, 90),
        "w=50&h=50": (50, 50),
        "w=+320%0A&h=90.5": (320, 91),
        "width=640&height=480": (640, 480),
        "width=99999&w=abc": (1280, 720),
        "w=999999999999999999999": (1280, 720),
        "w=00010000&h=00010001": (1280, 720),
        "w=000100" + "9" * 5000: (1280, 720),
        "w=\u0661\u0662\u0663": (1280, 720),
    }
    for query, size in sizes.items():
        response = client.get(f"/thumb?{query}", headers=BROWSER_IMG)
        assert Image.open(io.BytesIO(response.data)).size == size, query


def test_a_refusal_is_cheap_for_any_requested_picture(client):
    sizes = [(1024, 1000), (3840, 2100), (3840, 3800)]
    asked = [
        f"/thumb?url=nonsense&w={width}&h={height + more}&format={format_}"
        for width, height in sizes
        for more, format_ in enumerate(("avif", "webp", "jpeg", "png"))
    ]
    began = time.process_time()
    answers = [client.get(query, headers=BROWSER_IMG) for query in asked]

    assert time.process_time() - began < 0.25, "12 refusals took more than 20 ms of a core each"
    assert {answer.status_code for answer in answers} == {400}
    for answer in answers:
        Image.open(io.BytesIO(answer.data)).load()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nothing", 404, "not_found"), ("PUT", "/thumb", 405, "method_not_allowed"),
     ("GET", "/persist", 405, "method_not_allowed")],
)  # fmt: skip
def test_http_errors_are_problems_too(client, method, path, status, code):
    response = client.open(path, method=method)

    assert (response.status_code, response.json["code"]) == (status, code)
    assert response.json["request_id"]
    if status == 405:
        assert "Allow" in response.headers


def test_an_unexpected_error_shows_only_the_request_id(make_client, resolver, capsys):
    client = make_client()

    def broken(_):
        raise RuntimeError("secret detail")

    client.application.view_functions["health.health"] = lambda: broken(None)
    client.application.config["PROPAGATE_EXCEPTIONS"] = False
    response = client.get("/health")

    assert (response.status_code, response.json["code"]) == (500, "internal_error")
    assert "secret" not in response.text
    assert response.json["request_id"]


def test_the_event_of_a_request_names_the_host_but_never_the_query(make_client, capsys, monkeypatch):
    client = make_client()
    with logged(capsys, monkeypatch) as events:
        get(client, "https://example.com/path?token=s3cret", w=32)
    (event,) = events

    assert event["host"] == "example.com"
    assert (event["cache"], event["status"]) == ("MISS", 200)
    assert event["ms"] >= event["capture_ms"] >= 0
    assert len(event["request_id"]) == 32
    assert "s3cret" not in json.dumps(event)
    assert "/path" not in json.dumps(events)


def test_a_memoised_refusal_reads_like_the_first(client):
    first, again = (client.get("/thumb?url=http%3A%2F%2F10.0.0.1%2F") for _ in range(2))

    assert (first.status_code, first.json["code"], first.json["detail"]) == (
        again.status_code,
        again.json["code"],
        again.json["detail"],
    )
    assert first.json["request_id"] != again.json["request_id"]


def test_while_lookups_hang_other_callers_are_asked_to_retry(make_client, api, resolver):
    """Lookups that never end must not cause good names to be refused for half a minute."""
    gate = threading.Event()
    resolver.answers = Hanging(gate)
    client = make_client(thumb_limit="1000 per minute")
    with ThreadPoolExecutor(MOST_LOOKUPS) as pool:
        hang = [pool.submit(ask, client, f"https://hang{i}.example.net/") for i in range(MOST_LOOKUPS)]
        try:
            assert {answer.result().json["code"] for answer in hang} == {"blocked_url"}
            busy = ask(client, "https://example.com/")
        finally:
            gate.set()
    wait_until(lambda: ask(client, "https://example.com/").status_code == 200, "a free look-up")

    assert (busy.status_code, busy.json["code"], busy.headers["Retry-After"]) == (503, "over_capacity", "5")
    assert len(api.calls) == 1


class Hanging(dict):
    def __init__(self, gate):
        super().__init__()
        self.gate = gate

    def get(self, name, default):
        if name.startswith("hang"):
            self.gate.wait()
        return default


def ask(client, url):
    return client.application.test_client().get("/thumb", query_string={"url": url})

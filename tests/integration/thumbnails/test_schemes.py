"""Pages without a scheme: https first, then http where nothing answers by https."""

import pytest

from tests.support.redis import age_pictures
from tests.support.screenshot_api import refuse, running_screenshot_api

HTTPS, HTTP = "https://example.com/", "http://example.com/"
NOTHING_ANSWERS = ("connection_refused", "connection_reset", "page_unreachable", "tls_failed", "certificate")


@pytest.fixture
def engine():
    with running_screenshot_api("engine") as running:
        yield running


@pytest.fixture
def settings(settings, engine):
    return {name: value for name, value in settings.items() if name != "capture_api_key"} | {
        "capture_api": "engine",
        "capture_url": engine.url,
    }


def get(client, url, **options):
    return client.get("/thumb", query_string={"url": url, **options})


def captured(engine):
    return [call.params["url"] for call in engine.calls]


def closed(engine, url, times=99, code="connection_refused"):
    engine.behave(refuse(422, code, "nothing answers"), times=times, url=url)


def test_a_page_without_a_scheme_is_one_of_https(client, engine):
    typed = ("example.com", "//example.com/", "EXAMPLE.com?", "example.com/#top", "example.com:443", " example.com\n")
    for url in typed:
        assert get(client, url).status_code == 200
    plain = get(client, HTTPS)

    assert plain.headers["X-Cache"] == "HIT"
    assert captured(engine) == [HTTPS, "https://example.com/?"]


def test_the_rest_of_such_a_page_stays_as_it_is(client, engine):
    for url in (
        "example.com/a?b=//c&d=http://e",
        "//www.example.com/a",
        "bücher.example/ü",
        "example.com/a:b@c",
        "[2606:4700::1111]/a",
    ):
        assert get(client, url).status_code == 200
    assert captured(engine) == [
        "https://example.com/a?b=//c&d=http://e",
        "https://www.example.com/a",
        "https://xn--bcher-kva.example/%C3%BC",
        "https://example.com/a:b@c",
        "https://[2606:4700::1111]/a",
    ]


def test_a_path_may_lack_the_scheme_too(client, engine):
    for address in ("/t/w=64/example.com", "/t/w=64///example.com/", "/t/w=64/ZXhhbXBsZS5jb20.png"):
        assert client.get(address).status_code == 200
    assert captured(engine) == [HTTPS]


@pytest.mark.parametrize("code", NOTHING_ANSWERS)
def test_where_nothing_answers_by_https_http_is_tried_and_remembered(client, engine, code):
    closed(engine, HTTPS, code=code)
    first, second = get(client, "example.com"), get(client, "example.com", w=200)

    assert [first.status_code, second.status_code] == [200, 200]
    assert second.headers["X-Cache"] == "HIT"
    assert captured(engine) == [HTTPS, HTTP]
    assert get(client, HTTP).headers["X-Cache"] == "HIT", "the picture is that of the page by http"
    assert get(client, HTTPS).status_code == 502, "and not that of the page by https"
    assert get(client, "example.com/other").status_code == 200
    assert captured(engine) == [HTTPS, HTTP, "http://example.com/other"], "https is not tried again"


def test_another_process_remembers_it_too(make_client, engine):
    closed(engine, HTTPS)
    assert get(make_client(), "example.com").status_code == 200
    assert get(make_client(), "example.com/other").status_code == 200
    assert captured(engine) == [HTTPS, HTTP, "http://example.com/other"]


@pytest.mark.parametrize(
    ("status", "code", "page_status"), [(422, "page_status", 404), (422, "page_status", 503), (504, "timeout", None),
                                        (422, "not_a_page", None), (422, "too_many_redirects", None)]
)  # fmt: skip
def test_a_server_that_answers_with_an_error_is_there(client, engine, status, code, page_status):
    extras = {"page_status": page_status} if page_status else {}
    engine.behave(refuse(status, code, "no picture", extras=extras), times=9, url=HTTPS)

    assert get(client, "example.com").status_code in (502, 504)
    assert captured(engine) == [HTTPS]


def test_where_nothing_answers_at_all_the_error_is_that_of_https(client, engine):
    closed(engine, HTTPS, code="certificate")
    closed(engine, HTTP)
    refused = get(client, "example.com")

    assert (refused.status_code, refused.json["code"]) == (502, "certificate")
    assert captured(engine) == [HTTPS, HTTP]


def test_a_host_that_answers_by_http_no_longer_is_tried_by_https_again(client, engine, redis_url):
    closed(engine, HTTPS, times=1)
    assert get(client, "example.com").status_code == 200
    closed(engine, "http://example.com/other")
    assert get(client, "example.com/other").status_code == 502
    assert get(client, "example.com/third").status_code == 200

    assert captured(engine)[2:] == ["http://example.com/other", "https://example.com/third"]


def test_both_tries_are_one_capture_of_the_callers_budget(make_client, engine):
    client = make_client(thumb_limit="2 per hour")
    closed(engine, HTTPS)
    first = get(client, "example.com")

    assert (first.status_code, first.headers["RateLimit-Remaining"]) == (200, "1")


def test_a_caller_that_does_not_wait_gets_there_too(client, engine):
    closed(engine, HTTPS)
    for _ in range(20):
        answer = get(client, "example.com", wait=1)
        if answer.status_code == 200:
            break
    assert answer.status_code == 200
    assert captured(engine) == [HTTPS, HTTP]


def test_a_fresh_picture_tries_https_again(make_client, engine):
    client = make_client()
    closed(engine, HTTPS, times=1)
    get(client, "example.com")
    assert get(client, "example.com", fresh=1).status_code == 200
    assert captured(engine) == [HTTPS, HTTP, HTTPS]


def test_a_job_tries_http_too(make_client, engine):
    client = make_client()
    made = client.get("/thumb", query_string={"url": "example.com"}, headers={"Prefer": "respond-async"})
    services = client.application.extensions["services"]
    job = services.jobs.store.get(made.json["job_id"])

    assert (made.status_code, job.wanted.delivery.http_too) == (202, True)
    assert job.wanted.target.url == HTTPS


def test_the_guard_and_the_allowed_ports_judge_both(make_client, engine, resolver):
    resolver.answers["internal.example.com"] = ["10.0.0.1"]
    client = make_client(allowed_ports="80,443,8080")
    closed(engine, "https://example.com:8080/")

    assert get(client, "internal.example.com").json["code"] == "blocked_url"
    for url in ("127.0.0.1", "//127.0.0.1/", "[::1]/", "169.254.169.254/latest", "printer.local", "example.com:22"):
        assert get(client, url).json["code"] == "blocked_url"
    assert get(client, "example.com:8080").status_code == 200
    assert get(client, "example.com:80/a").status_code == 200
    assert captured(engine) == ["https://example.com:8080/", "http://example.com:8080/", "http://example.com/a"]
    only_https = make_client(allowed_ports="443")
    closed(engine, "https://example.org/")
    assert get(only_https, "example.org").status_code == 502
    assert captured(engine)[3:] == ["https://example.org/"]


def test_what_is_no_host_is_refused_as_before(client, engine):
    for url in ("example", "/example.com", "///example.com", "ftp://example.com", "mailto:a@example.com", "localhost:80",
                "user@example.com", "javascript:alert(1.5)", "1.5", "?a.b", "https:", ".", "data:text/html,a.b"):  # fmt: skip
        refused = get(client, url)
        assert (refused.status_code, refused.json["detail"].partition(":")[0]) == (400, "url")
    assert engine.calls == []


def test_a_programs_json_names_its_pages_exactly(client, engine):
    refused = client.post("/persist", json={"url": "example.com"})

    assert refused.json["detail"].endswith("; write https://example.com/")
    assert engine.calls == []


def test_a_picture_that_is_stale_is_shown_while_http_is_tried(client, engine, redis_url):
    closed(engine, HTTPS)
    get(client, "example.com")
    age_pictures(redis_url, 2 * 86400)

    assert get(client, "example.com").headers["X-Cache"] == "STALE"


def test_what_a_page_says_of_itself_comes_from_where_it_answers(client, engine):
    closed(engine, HTTPS)
    client.get("/meta", query_string={"url": "example.com"})

    assert get(client, "example.com").headers["X-Cache"] == "HIT"
    assert captured(engine) == [HTTPS, HTTP]

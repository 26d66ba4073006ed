"""`POST /render`: HTML or Markdown in, a picture out, through the same flow as a page."""

import gc
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from urllib.parse import urlsplit

import pytest
import redis
from PIL import Image
from structlog.testing import capture_logs

import services
import tasks
from app import create_app
from config import Settings
from jobs import INTERACTIVE
from options import LONGEST_DOCUMENT_BODY, LONGEST_HTML
from tests.support.processes import wait_until
from tests.support.screenshot_api import refuse, running_screenshot_api, sized

HTML = "<h1>Hello from s3cret</h1>"  # no log may show it: tests/support/leaks.py looks for the word
OWNER = {"X-API-Key": "correct-horse"}


@pytest.fixture
def api():
    with running_screenshot_api("engine") as running:
        yield running


@pytest.fixture
def settings(settings):
    return {**settings, "capture_api": "engine", "capture_api_key": None, "webhook_secret": "whsec_" + "czNjcmV0" * 5}


@pytest.fixture
def built(settings, resolver):
    made = services.build(Settings.of(**settings), resolver)
    made.jobs.store.workers.announce()
    yield made
    made.close()


@pytest.fixture
def served(built):
    return create_app(built.settings, built).test_client()


def render(client, headers=None, **body):
    wanted = {} if "markdown" in body else {"html": HTML}
    return client.post("/render", json=wanted | body, headers=headers)


def test_html_becomes_a_picture_of_its_own_size(client, api, resolver):
    answer = render(client)

    assert (answer.status_code, answer.content_type, answer.headers["X-Cache"]) == (200, "image/png", "MISS")
    assert Image.open(io.BytesIO(answer.data)).size == (800, 600)
    (call,) = api.calls
    assert (call.method, call.path, call.params) == (
        "POST",
        "/v1/html-to-image",
        {"html": HTML, "width": 800, "height": 600, "format": "png"},
    )
    assert resolver.asked == []


def test_one_capture_of_the_same_html_serves_every_size_and_format(client, api):
    first = render(client)
    assert (render(client).headers["X-Cache"], render(client).data) == ("HIT", first.data)
    small = render(client, w=200, format="webp")

    assert (small.headers["X-Cache"], Image.open(io.BytesIO(small.data)).size) == ("HIT", (200, 150))
    assert len(api.calls) == 1


@pytest.mark.parametrize(
    "change", [{"html": "<h1>Other</h1>"}, {"network": True}, {"css": "h1 { color: red }"}, {"height": 601}]
)
def test_what_the_browser_would_show_differently_is_another_capture(client, api, change):
    render(client)
    assert render(client, **change).headers["X-Cache"] == "MISS"
    assert len(api.calls) == 2


def test_the_engine_is_sent_the_options_that_apply_to_html(client, api):
    options = {"width": 100, "height": 2160, "scale": 2, "full_page": True, "max_height": 900, "delay": 100}
    options |= {"css": "p {}", "selector": "h1", "wait_for": "h1", "wait_until": "load", "dark_mode": True}
    options |= {"reduced_motion": True, "locale": "de-DE", "timezone": "Europe/Berlin", "transparent": True}
    assert render(client, network=True, **options).status_code == 200
    (call,) = api.calls
    assert call.params == {"html": HTML, "network": True, "format": "png", **options}


def test_markdown_is_shown_in_a_theme(client, api):
    answer = client.post(
        "/render", json={"markdown": "# Title\n\n| a | b |\n|---|---|\n| ~~1~~ | 2 |", "theme": "dark"}
    )

    assert answer.status_code == 200
    html = api.calls[0].params["html"]
    assert '<html class="dark">' in html
    assert "<title>Title</title>" in html
    assert '<h1 dir="auto">Title</h1>' in html
    assert "<s>1</s>" in html


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"html": "x", "markdown": "# x"}, "html, markdown: send one of them"),
        ({"html": None}, "html: must be a text of HTML"),
        ({"theme": "dark"}, "theme: is for markdown"),
        ({"html": " "}, "html: must be a text of HTML"),
        ({"html": 5}, "html: must be a text of HTML"),
        ({"html": "a" * (LONGEST_HTML + 1)}, "html: must be a text of HTML, at most 5 MiB"),
        ({"html": "é" * (LONGEST_HTML // 2 + 1)}, "html: must be a text of HTML, at most 5 MiB"),
        ({"markdown": "a" * 200_000}, "markdown: must be a text of Markdown, at most 128 KiB"),
        ({"markdown": "a", "theme": "pink"}, "theme: must be light, dark or paper"),
        ({"network": "yes"}, "network: must be true or false"),
        ({"full_page": 1}, "full_page: must be true or false"),
        ({"wait": True}, "wait: must be a whole number of seconds"),
        ({"width": 99}, "width: must be a whole number of CSS pixels from 100 to 3840"),
        ({"url": "http://127.0.0.1/"}, "url: is not an option"),
        ({"cookies": []}, "cookies: is not an option"),
        ({"block_ads": True}, "block_ads: is not an option"),
        ({"format": "pdf", "w": 100}, "w: cannot be combined with format=pdf"),
    ],
)
def test_a_bad_body_gets_a_400_that_names_the_option(client, api, body, detail):
    answer = render(client, **body)
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_option")
    assert answer.json["detail"].startswith(detail)
    assert api.calls == []


def test_a_body_without_a_document_is_told_what_to_send(client):
    assert client.post("/render", json={}).json["detail"] == "html, markdown: send one of them"
    assert client.post("/render", json=[]).json["detail"].endswith('such as {"html": "<h1>Hello</h1>"}')


def test_half_a_character_is_no_text(client, api):
    answer = client.post("/render", data='{"html": "\\ud800"}', content_type="application/json")
    assert (answer.status_code, api.calls) == (400, [])


def test_a_body_that_is_too_large_is_not_read(client, api):
    answer = client.post("/render", data=b" " * (LONGEST_DOCUMENT_BODY + 1), content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (413, "request_entity_too_large")
    assert client.post("/thumb", data=b" " * 70_000, content_type="application/json").status_code == 413


def test_it_needs_a_key_where_keys_are_set(make_client, api):
    client = make_client(api_keys="shop:correct-horse")
    assert render(client).json["code"] == "key_required"
    assert api.calls == []
    assert render(client, OWNER).status_code == 200


def test_rules_about_sites_do_not_apply_to_documents(make_client):
    client = make_client(allowed_targets="example.org", blocked_targets="example.net", target_limit="1 at a time")
    assert render(client).status_code == 200


def test_where_few_hosts_are_allowed_a_document_has_no_network(make_client, api):
    client = make_client(allowed_targets="example.org")
    refused = render(client, network=True)
    assert (refused.status_code, refused.json["code"]) == (403, "forbidden_host")
    assert refused.json["detail"].startswith("network: ")
    assert client.post("/v1/html-to-image", json={"html": HTML, "network": True}).status_code == 403
    assert api.calls == []


def test_a_document_of_one_colour_is_as_good_as_any_other(client, api):
    api.behave(sized(800, 600, "green"), times=2)
    assert render(client).status_code == 200
    assert len(api.calls) == 2  # a second look at what is blank
    assert render(client, persist=True).status_code == 201


def test_only_a_capture_is_charged(make_client):
    client = make_client(thumb_limit="1 per hour")
    assert [render(client).status_code for _ in range(3)] == [200, 200, 200]
    assert render(client, html="<p>another").json["code"] == "rate_limited"


def test_a_failure_is_remembered_for_this_html_alone(client, api):
    api.behave(refuse(422, "page_crashed"), times=1)
    assert [render(client).json["code"] for _ in range(2)] == ["page_crashed"] * 2
    assert len(api.calls) == 1
    assert render(client, html="<p>another").status_code == 200


def test_the_log_names_the_digest_and_shows_no_content(client, api):
    api.behave(refuse(422, "page_failed", f"what went wrong with {HTML}"), times=1)
    with capture_logs() as logs:
        render(client)
        render(client, html="<p>s3cret too", css="p::after { content: 's3cret' }")
        client.post("/render", json={"markdown": "s3cret"})
        render(client, html="s3cret", width=1)
    requests = [each for each in logs if each["event"] == "request"]
    assert [each["host"].partition(":")[0] for each in requests if "host" in each] == ["document"] * 3
    assert "capture_refused" in {each["event"] for each in logs}
    assert "s3cret" not in json.dumps(logs, default=str)


def test_it_is_stored_for_ever_on_demand(client, api):
    first, again = render(client, persist=True), render(client, persist=True)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json["url"] == again.json["url"]
    assert client.get(urlsplit(first.json["url"]).path).status_code == 200
    assert len(api.calls) == 1


def test_a_repeated_attempt_is_not_stored_twice(client):
    headers = {"Idempotency-Key": "one"}
    assert [render(client, headers, persist=True).status_code for _ in range(2)] == [201, 201]
    assert render(client, headers, persist=True, w=100).json["code"] == "idempotency_conflict"


def test_a_job_takes_the_html_to_the_worker_and_keeps_it_no_longer_than_needed(built, served, settings, api):
    answer = render(served, {"Prefer": "respond-async"}, persist=True)
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "respond-async")
    id_ = answer.json["job_id"]

    with redis.Redis.from_url(settings["redis_url"]) as state:
        assert HTML.encode() not in b"".join(state.hgetall(f"thumb:{{jobs}}:job:{id_}").values())
        assert len(state.keys("thumb:{documents}:*")) == 2
        tasks.capture(built, id_, 1, INTERACTIVE)  # as the worker does, which has never seen the request
        assert state.keys("thumb:{documents}:*") == []
    job = served.get(f"/jobs/{id_}").json
    assert (job["status"], served.get(urlsplit(job["image_url"]).path).status_code) == ("completed", 200)
    assert api.calls[0].params["html"] == HTML


def test_a_webhook_makes_a_job_too(served, built):
    answer = render(served, webhook_url="http://127.0.0.1/")
    assert answer.json["code"] == "blocked_url"
    answer = render(served, webhook_url="https://example.com/hook")
    assert answer.status_code == 202
    assert built.jobs.store.get(answer.json["job_id"]).webhook_url == "https://example.com/hook"


def test_a_known_picture_needs_no_job(served):
    render(served)
    assert render(served, {"Prefer": "respond-async"}).status_code == 200


def test_html_that_finds_no_room_makes_no_job(served, built):
    built.document_store._most_bytes = 100
    answer = render(served, {"Prefer": "respond-async"})

    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "over_capacity", "60")
    assert built.jobs.store.stats().jobs.get("pending", 0) == 0


def test_html_that_is_gone_fails_its_job_with_a_code_of_its_own(built, served, settings):
    id_ = render(served, {"Prefer": "respond-async"}).json["job_id"]
    with redis.Redis.from_url(settings["redis_url"]) as state:
        state.delete(*state.keys("thumb:{documents}:*"))
    tasks.capture(built, id_, 1, INTERACTIVE)
    assert served.get(f"/jobs/{id_}").json["error"]["code"] == "document_gone"


def test_a_capture_goes_on_when_nobody_waits_and_finds_its_html_again(client, api):
    gate = threading.Event()

    def fail_late(answer):
        gate.wait(10)
        refuse(502)(answer)

    api.behave(fail_late)
    assert render(client, wait=0).status_code == 202
    gc.collect()
    gate.set()
    wait_until(lambda: len(api.calls) == 2, "the second call")
    assert render(client).status_code == 200
    assert [call.params["html"] for call in api.calls] == [HTML, HTML]


def test_a_purge_removes_the_picture_of_a_document_that_the_log_names(client, api):
    with capture_logs() as logs:
        render(client)
    (name,) = {each["host"] for each in logs if each["event"] == "request"}
    assert client.post("/purge", json={"url": name}).status_code == 202
    client.application.extensions["services"].purges.refresh()
    assert render(client).headers["X-Cache"] == "MISS"
    assert len(api.calls) == 2


def test_files_of_purged_documents_are_removed_before_the_purge_is_forgotten(client):
    services = client.application.extensions["services"]
    render(client)
    assert client.post("/purge", json={"all": True}).status_code == 202
    assert services.purging.sweeper.sweep() > 0
    services.purges.unmark(services.purges.marks())  # as two hours later

    assert render(client).headers["X-Cache"] == "MISS"


def test_few_large_bodies_are_held_at_a_time(client, api):
    """Who sends a small one needs no room."""
    waiting, gate, large = threading.Barrier(13, timeout=20), threading.Event(), "a" * 300_000
    api.hold(gate)

    def send(number):
        waiting.wait()
        return render(client, html=f"<p>{number}{large}").json

    with ThreadPoolExecutor(13) as pool:
        answers = [pool.submit(send, number) for number in range(13)]
        refused = next(each.result() for each in as_completed(answers))
        small = pool.submit(render, client)
        gate.set()
        assert (refused["status"], refused["detail"]) == (503, "too many large bodies; try again in a few seconds")
        assert small.result().status_code == 200


@pytest.mark.parametrize("capture_api", ["hermesforge", "snapapi"])
def test_an_api_that_draws_no_html_refuses_it(make_client, capture_api):
    answer = render(make_client(capture_api=capture_api, capture_api_key="sk_live_test"))
    assert answer.json["detail"] == f"html: the screenshot API in use, {capture_api}, draws no HTML"


def test_snapsharps_own_api_draws_what_it_can(make_client):
    with running_screenshot_api("snapsharp", key="sk_live_test") as hosted:
        client = make_client(capture_api="snapsharp", capture_url=hosted.url, capture_api_key="sk_live_test")
        answer = render(client, width=100, height=200, delay=500)
        assert (answer.status_code, Image.open(io.BytesIO(answer.data)).size) == (200, (100, 200))
        assert hosted.calls[0].params == {"html": HTML, "width": 100, "height": 200, "format": "png"}
        for option in ({"css": "p {}"}, {"scale": 2}, {"full_page": True}, {"transparent": True}, {"format": "pdf"}):
            refused = render(client, **option)
            assert (refused.status_code, refused.json["code"]) == (400, "invalid_option"), option
        too_long = render(client, html="a" * ((1 << 20) + 1))
        assert too_long.json["detail"] == "html: must be at most 1 MiB for the screenshot API in use, snapsharp"
        assert len(hosted.calls) == 1


def test_the_contract_draws_html_for_clients_of_snapsharp(client, api):
    answer = client.post("/v1/html-to-image", json={"html": HTML, "format": "jpeg", "cache": True, "cache_ttl": 60})
    assert (answer.status_code, answer.content_type, answer.headers["X-Cache"]) == (200, "image/jpeg", "MISS")
    assert render(client).headers["X-Cache"] == "HIT"
    refused = client.post("/v1/html-to-image", json={"width": 5})
    assert (refused.status_code, refused.json["error"]) == (400, "validation_error")
    assert refused.json["message"].startswith("html: is missing")

"""Traces through the real processes: gunicorn, a worker with a pool, the engine and Chromium, to a receiver of OTLP."""

import json
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests.support.engine import Engine, running_engine
from tests.support.otlp import OtlpReceiver, running_otlp_receiver
from tests.support.processes import free_port, stop, wait_until
from tests.support.receiver import Receiver, running_receiver
from tests.support.redis import running_redis
from tests.support.screenshot_api import ScreenshotAPI, running_screenshot_api
from tests.support.site import Site, running_site
from tests.support.web import running_web_process
from tests.support.worker import running_worker

SERVER, CLIENT, CONSUMER = 2, 3, 5
SMALL = {"width": 320, "height": 240}
SECRET = "q8Zr-secret"


def fresh_trace(flags="01"):
    """Return the id of a new trace, the id of the caller's span, and the header that names both."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    return trace, span, {"traceparent": f"00-{trace}-{span}-{flags}"}


def logged(log: Path, event: str, **facts):
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    return [line for line in lines if line.get("event") == event and facts.items() <= line.items()]


class Traced(NamedTuple):
    url: str
    otlp: OtlpReceiver
    site: Site
    engine: Engine
    receiver: Receiver
    folder: Path

    def thumb(self, path, headers=None, **options):
        return requests.get(f"{self.url}/thumb", {"url": self.site.url(path), **options}, headers=headers, timeout=60)

    def ask(self, headers, **body):
        answer = requests.post(f"{self.url}/screenshots", json=SMALL | body, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer


@pytest.fixture(scope="module")
def traced(_migrated_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("traced")
    (folder / "thumbnails.db").write_bytes(_migrated_file.read_bytes())
    with running_otlp_receiver() as otlp, running_redis() as redis, running_site() as site, running_receiver() as hook:
        for path in ("/page", "/job", "/batch", "/again", "/unsampled", "/malformed"):
            site.add(path, f"<!doctype html><title>t</title><h1>{path} {SECRET}")
        sending = {
            "otel_exporter_otlp_endpoint": otlp.url,
            "otel_exporter_otlp_headers": "x-token=open%20sesame",
            "otel_bsp_schedule_delay": 100,
        }
        with running_engine(PRIVATE_TARGETS=site.address, **{k.upper(): v for k, v in sending.items()}) as engine:
            settings = sending | {
                "redis_url": redis.url,
                "capture_url": engine.url,
                "private_targets": f"{site.address},127.0.0.1:{hook.port}",
                "persist_dir": folder / "media",
                "originals_dir": folder / "originals",
                "database_url": f"sqlite:///{folder}/thumbnails.db",
                "webhook_secret": "whsec_" + "c2VjcmV0" * 6,
                "web_concurrency": 1,
                "worker_concurrency": 1,
            }
            with (
                running_web_process(folder / "web.log", **settings) as (url, _),
                running_worker(folder / "worker.log", **settings),
            ):
                yield Traced(url, otlp, site, engine, hook, folder)


def test_one_trace_leads_from_the_caller_to_the_parts_of_the_capture(traced):
    trace, caller, headers = fresh_trace()
    answer = traced.thumb(f"/page?token={SECRET}", headers, w=160)
    assert (answer.status_code, answer.headers["X-Cache"]) == (200, "MISS")
    parts = ("queue", "prepare", "arrive", "settle", "shoot")
    found = traced.otlp.wait_for(
        ("web", "GET thumbs.thumb"),
        ("web", "judge"),
        ("web", "capture"),
        ("web", "GET /v1/screenshot"),
        ("web", "originals.put"),
        ("web", "render"),
        ("engine", "GET /v1/screenshot"),
        *(("engine", part) for part in parts),
        trace=trace,
    )
    root, capture = found["web", "GET thumbs.thumb"], found["web", "capture"]
    call, engine = found["web", "GET /v1/screenshot"], found["engine", "GET /v1/screenshot"]
    assert (root.parent, root.kind, capture.parent, call.parent) == (caller, SERVER, root.id, capture.id)
    assert (call.kind, engine.kind, engine.parent) == (CLIENT, SERVER, call.id)
    assert {found["engine", part].parent for part in parts} == {engine.id}
    assert call.begin <= engine.begin <= engine.end <= call.end
    host = traced.site.address
    assert (
        root.attributes.items()
        >= {
            "http.response.status_code": 200,
            "http.route": "thumbs.thumb",
            "thumbnails.cache": "MISS",
            "thumbnails.host": host,
        }.items()
    )
    about = [span for span in traced.otlp.of(trace) if "thumbnails.request_id" in span.attributes]
    assert {span.attributes["thumbnails.request_id"] for span in about} == {answer.headers["X-Request-ID"]}
    assert {"GET thumbs.thumb", "capture", "shoot"} <= {span.name for span in about}
    assert {span.service for span in traced.otlp.of(trace)} == {"thumbnails-web", "thumbnails-engine"}


def test_calls_to_redis_are_in_the_trace_without_their_keys(traced):
    trace, _, headers = fresh_trace()
    traced.thumb("/again", headers)
    traced.otlp.wait_for(("web", "GET thumbs.thumb"), trace=trace)
    calls = [span for span in traced.otlp.of(trace) if span.attributes.get("db.system") == "redis"]
    assert {span.kind for span in calls} == {CLIENT}
    assert all(set(span.attributes["db.statement"].split()[1:]) <= {"?"} | set(span.name.split()) for span in calls)
    assert calls


def test_a_hit_is_one_span_and_its_log_line_names_the_trace(traced):
    traced.thumb("/page", w=160)
    trace, caller, headers = fresh_trace()
    answer = traced.thumb("/page", headers, w=160)
    assert answer.headers["X-Cache"] == "HIT"
    found = traced.otlp.wait_for(("web", "GET thumbs.thumb"), trace=trace)
    assert [span.parent for span in found.values() if span.kind == SERVER] == [caller]
    wait_until(lambda: logged(traced.folder / "web.log", "request", trace_id=trace), "the event")
    (line,) = logged(traced.folder / "web.log", "request", trace_id=trace)
    assert line["request_id"] == answer.headers["X-Request-ID"]


def test_log_events_of_web_process_and_engine_name_the_trace(traced):
    trace, _, headers = fresh_trace("00")
    request_id = traced.thumb("/unsampled", headers).headers["X-Request-ID"]
    wait_until(lambda: logged(traced.folder / "web.log", "request", trace_id=trace, request_id=request_id), "the event")
    wait_until(
        lambda: [each for each in traced.engine.logged("capture") if each["trace_id"] == trace], "the engine's event"
    )
    assert traced.otlp.of(trace) == []  # the caller did not sample it, so nothing is sent


@pytest.mark.parametrize(
    "header",
    [
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-" + "f" * 4000,
        "x",
    ],
)
def test_a_malformed_traceparent_is_ignored(traced, header):
    request_id = secrets.token_hex(8)
    answer = traced.thumb("/malformed", {"traceparent": header, "X-Request-ID": request_id})
    assert answer.status_code == 200
    wait_until(lambda: logged(traced.folder / "web.log", "request", request_id=request_id), "the event")
    (line,) = logged(traced.folder / "web.log", "request", request_id=request_id)
    span = traced.otlp.wait_for(("web", "GET thumbs.thumb"), trace=line["trace_id"])["web", "GET thumbs.thumb"]
    assert span.parent == ""
    assert line["trace_id"] != "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_job_and_its_webhook_belong_to_the_trace_of_their_request(traced):
    trace, _, headers = fresh_trace()
    hook = f"http://127.0.0.1:{traced.receiver.port}/hook?key={SECRET}"
    answer = traced.ask(headers, url=traced.site.url("/job"), webhook_url=hook)
    found = traced.otlp.wait_for(
        ("web", "POST jobs.screenshots"),
        ("worker", "capture"),
        ("worker", "storage.put"),
        ("engine", "shoot"),
        ("worker", "deliver_webhook"),
        ("worker", "POST"),
        trace=trace,
    )
    root = found["web", "POST jobs.screenshots"]
    work = [span for span in traced.otlp.of(trace) if span.kind == CONSUMER]
    assert {(span.name, span.parent) for span in work} == {("capture", root.id), ("deliver_webhook", root.id)}
    request_id = answer.headers["X-Request-ID"]
    assert {span.attributes["thumbnails.request_id"] for span in work} == {request_id}
    post = found["worker", "POST"]
    (sent,) = [post for post in traced.receiver.posts if post.path.startswith("/hook")]
    assert sent.headers["traceparent"] == f"00-{trace}-{post.id}-01"
    (line,) = logged(traced.folder / "worker.log", "job_completed", job_id=answer.json()["job_id"])
    assert line["trace_id"] == trace


def test_the_jobs_of_a_batch_have_traces_of_their_own_that_name_its_request(traced):
    trace, _, headers = fresh_trace()
    pages = [traced.site.url(path) for path in ("/batch", "/again")]
    answer = requests.post(f"{traced.url}/screenshots", json=SMALL | {"urls": pages}, headers=headers, timeout=30)
    assert answer.status_code == 202, answer.text
    root = traced.otlp.wait_for(("web", "POST jobs.screenshots"), trace=trace)["web", "POST jobs.screenshots"]

    def runs():
        return [span for span in traced.otlp.spans if (trace, root.id) in span.links]

    wait_until(lambda: len(runs()) == 2, "both runs")
    assert len({span.trace for span in runs()} - {trace}) == 2
    assert {span.parent for span in runs()} == {""}


def test_a_failure_is_marked_by_its_code_in_each_process(traced):
    trace, _, headers = fresh_trace()
    answer = traced.thumb(f"/missing?token={SECRET}", headers)
    found = traced.otlp.wait_for(("web", "GET thumbs.thumb"), ("engine", "GET /v1/screenshot"), trace=trace)
    code, outcome = answer.json()["code"], traced.engine.logged("capture")[-1]["outcome"]
    marked = {key: span.attributes["error.type"] for key, span in found.items() if span.failed}
    assert {marked["web", name] for name in ("GET thumbs.thumb", "capture", "GET /v1/screenshot")} == {code}
    assert {marked["engine", name] for name in ("GET /v1/screenshot", "settle")} == {outcome}


def test_machines_that_ask_for_the_health_and_work_without_a_trace_send_nothing(traced):
    requests.get(f"{traced.url}/health", timeout=10)
    requests.get(f"{traced.url}/ready", timeout=10)
    traced.thumb("/page")
    roots = [span for span in traced.otlp.spans if not span.parent]
    assert all(span.kind in (SERVER, CONSUMER) for span in roots)
    assert not any("health" in span.name for span in traced.otlp.spans)


def test_spans_hold_no_url_no_key_and_nothing_of_the_page(traced):
    """The last test with these servers: it looks at all that they have sent."""
    trace, _, headers = fresh_trace()
    wanted = {"url": traced.site.url("/page"), "cookies": [{"name": "sid", "value": SECRET}]}
    answer = requests.post(f"{traced.url}/thumb", json=wanted, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    traced.otlp.wait_for(("web", "POST thumbs.thumb_of_body"), ("engine", "shoot"), trace=trace)
    sent = b"".join(traced.otlp.bodies)
    assert len(traced.otlp.spans) > 50
    for told in (SECRET, "sid=", "http://", "/page", "/hook", "whsec", "thumb:", "sesame"):
        assert told.encode() not in sent, told
    assert {each["x-token"] for each in traced.otlp.headers} == {"open sesame"}


class Alone(NamedTuple):
    """What a web process needs that captures by a hosted API."""

    settings: dict[str, object]
    api: ScreenshotAPI

    @contextmanager
    def running(self, folder, **settings):
        usual = {"persist_dir": folder / "media", "otel_bsp_schedule_delay": 50}
        with running_web_process(folder / "web.log", **self.settings | usual | settings) as running:
            yield running


@pytest.fixture(scope="module")
def alone():
    with running_redis() as redis, running_screenshot_api("snapsharp", "sk_live_test") as api:
        hosted = {"snapsharp_api_key": "sk_live_test", "capture_url": api.url, "resolve_targets": "false"}
        yield Alone({"redis_url": redis.url, "web_concurrency": 1} | hosted, api)


def thumb(url, page="https://example.com/"):
    return requests.get(f"{url}/thumb", {"url": page}, timeout=10).status_code


def test_a_slow_receiver_delays_no_request_and_the_end_only_for_seconds(alone, tmp_path):
    with running_otlp_receiver() as otlp:
        otlp.gate.clear()
        with alone.running(tmp_path, otel_exporter_otlp_endpoint=otlp.url) as (url, process):
            assert {thumb(url) for _ in range(20)} == {200}
            assert "traceparent" not in {
                name.lower() for name in alone.api.calls[-1].headers
            }  # a hosted API is not told
            stop(process, grace=20)
            assert process.returncode == 0


def test_a_receiver_that_is_away_is_logged_and_does_no_harm(alone, tmp_path):
    nowhere = f"http://127.0.0.1:{free_port()}"
    sending = {"otel_exporter_otlp_endpoint": nowhere, "otel_exporter_otlp_timeout": 1}
    with alone.running(tmp_path, **sending) as (url, _):
        assert thumb(url) == 200
        wait_until(lambda: logged(tmp_path / "web.log", "traces_unsent"), "the event")
        (line,) = logged(tmp_path / "web.log", "traces_unsent")
        assert (line["host"], line["spans"] >= 1) == (nowhere.removeprefix("http://"), True)


def test_without_the_packages_the_service_runs_and_says_how_to_install_them(alone, tmp_path):
    sending = {"otel_exporter_otlp_endpoint": "http://127.0.0.1:4318"}
    with alone.running(tmp_path, app="tests.support.untraced_app:app", **sending) as (url, _):
        assert thumb(url) == 200
        (line,) = logged(tmp_path / "web.log", "traces_unavailable")
        assert "pip install -r requirements-tracing.txt" in line["action"]


def test_what_is_left_at_the_end_is_sent(alone, tmp_path):
    with running_otlp_receiver() as otlp:
        sending = {"otel_exporter_otlp_endpoint": otlp.url, "otel_bsp_schedule_delay": 60_000}
        with alone.running(tmp_path, **sending) as (url, process):
            trace, _, headers = fresh_trace()
            requests.get(f"{url}/thumb", {"url": "https://example.com/"}, headers=headers, timeout=10)
            assert otlp.spans == []
            stop(process, grace=20)
        assert "GET thumbs.thumb" in {span.name for span in otlp.of(trace)}

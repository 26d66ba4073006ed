"""The engine as a service: admission, deadlines, crashes, keys, errors, start and stop."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from engine.startup import run
from options import EVENT_HEADER, read_event
from scripts.headless_shell import chromium
from tests.engine.conftest import small_engine
from tests.engine.page.test_hostile_pages import failure
from tests.engine.page.test_options import GREEN, body, colour
from tests.support.engine import Engine, eventually, group_members, start_engine
from tests.support.site import Site

QUICK = {"ENGINE_FILTER_LISTS": "/nowhere.txt"}  # Debian's lists take half a second


@pytest.fixture(scope="module")
def mortal(site: Site):
    """An engine of two slots for the tests that kill its browser."""
    with small_engine(site, ENGINE_CONCURRENCY=2) as engine:
        yield engine


@pytest.fixture(scope="module")
def narrow(site: Site):
    """An engine of one slot, with room for one capture that waits."""
    with small_engine(site, ENGINE_CONCURRENCY=1, ENGINE_QUEUE=1) as engine:
        yield engine


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as running:
        yield running


def test_health_reports_the_state_of_the_engine(engine: Engine):
    health = engine.health()
    assert health["ok"] is True
    assert "Chrome" in health["browser"]
    assert {"in_flight", "queued", "captures", "restarts", "sandbox"} <= health.keys()
    assert health["isolation"] in ("namespace", "flags")


def test_health_has_the_fields_of_the_contract(engine: Engine):
    """SnapSharp's clients read these three. https://snapsharp.dev/docs"""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    health = engine.health()
    assert (health["status"], health["version"]) == ("ok", project["version"])
    assert 0 <= health["uptime"] < 3600


def traffic_of(engine: Engine, name: str, **params: str) -> dict[str, Any]:
    engine.get("/v1/screenshot", params=params, headers={"X-Request-ID": name})
    (event,) = eventually(lambda: [e for e in engine.logged("capture") if e["request_id"] == name])
    return event["traffic"]


def test_every_answer_of_a_capture_has_what_the_log_says_of_it(engine: Engine, site: Site):
    good = site.add("/told", body("green", "<img src=http://10.0.0.1/>")) + "?token=secret-word"
    for name, url, outcome in (
        ("told-good", good, "ok"),
        ("told-gone", site.url("/nowhere?token=secret-word"), "page_status"),
        ("told-blocked", "http://10.1.2.3/", "blocked_url"),
    ):
        answer = engine.get("/v1/screenshot", params={"url": url}, headers={"X-Request-ID": name})
        event = read_event(answer.headers[EVENT_HEADER])
        (logged,) = eventually(lambda name=name: [e for e in engine.logged("capture") if e["request_id"] == name])
        assert event["outcome"] == logged["outcome"] == outcome
        assert event.get("reason") == logged.get("reason")
        assert event.get("parts") == logged["parts"]
        assert outcome == "blocked_url" or {"queue", "prepare", "arrive"} <= event["parts"].keys()
        assert "secret-word" not in answer.headers[EVENT_HEADER]
        assert "private" not in answer.headers[EVENT_HEADER]  # the verdict of the guard


def test_every_capture_logs_its_traffic(engine: Engine, site: Site):
    url = site.add("/counted", body("green", "<img src=/a.png><img src=http://10.0.0.1/><img src=http://[::1]/>"))
    traffic = traffic_of(engine, "counted-1", url=url)
    assert traffic["connections"] >= 3
    assert traffic["requests"] == 4
    assert traffic["bytes"] > 500
    assert traffic["refused"] == {"private": 1, "loopback": 1}


@pytest.mark.parametrize("parts", [0, 7])
def test_requests_and_redirects_are_counted_but_not_data_and_blob_urls(engine: Engine, site: Site, parts: int):
    images = "".join(f"<img src=/part-{n}.png>" for n in range(parts))
    needless = (
        "<img src='data:image/gif,x'><script>document.images[0].src = URL.createObjectURL(new Blob(['']))</script>"
    )
    site.add("/of-parts", body("green", needless + images))
    moved = site.add("/moved-parts", status=302, headers={"Location": "/of-parts"})
    assert traffic_of(engine, f"of-parts-{parts}", url=moved)["requests"] == parts + 2


def test_requests_of_a_page_that_never_finishes_are_counted_too(short_deadline_engine: Engine, site: Site):
    assert (
        traffic_of(short_deadline_engine, "endless-1", url=site.add("/endless-1", body("green"), endless=True))[
            "requests"
        ]
        == 1
    )


def test_the_request_count_of_an_unreachable_page_is_unknown(engine: Engine, closed_port: int):
    traffic = traffic_of(engine, "nothing-1", url=f"http://127.0.0.1:{closed_port}/")
    assert (traffic["connections"] > 0, traffic["requests"]) == (True, None)


def test_a_full_queue_is_answered_429_at_once(narrow: Engine, site: Site, pool: ThreadPoolExecutor):
    gate = threading.Event()
    url = site.add("/gated", body("green"), gate=gate)
    first = pool.submit(narrow.capture, url)
    eventually(lambda: narrow.health()["in_flight"] == 1)
    second = pool.submit(narrow.capture, url)
    eventually(lambda: narrow.health()["queued"] == 1)
    refused = narrow.capture(url)
    assert failure(refused)[:2] == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) == refused.json()["retry_after"] > 0
    gate.set()
    assert colour(first.result()) == colour(second.result()) == GREEN


def test_background_captures_leave_a_slot_to_visitors(mortal: Engine, site: Site, pool: ThreadPoolExecutor):
    gate = threading.Event()
    slow, quick = site.add("/imported", body("green"), gate=gate), site.add("/visited", body("green"))

    def import_it(priority: str) -> requests.Response:
        return mortal.get("/v1/screenshot", params={"url": slow}, headers={"Priority": priority})

    imports = [pool.submit(import_it, priority) for priority in ("u=7", "u=1, i, u=7;x=2")]
    eventually(lambda: mortal.health()["queued"] == 1)
    assert colour(mortal.capture(quick)) == GREEN
    assert [each.done() for each in imports] == [False, False]
    gate.set()
    assert [colour(each.result()) for each in imports] == [GREEN, GREEN]


def test_clients_share_the_engine_by_the_name_that_the_caller_gives_them(
    narrow: Engine, site: Site, pool: ThreadPoolExecutor
):
    gate = threading.Event()
    slow, quick = site.add("/greedy", body("green"), gate=gate), site.add("/modest", body("green"))

    def capture(client: str, url: str) -> requests.Response:
        return narrow.get("/v1/screenshot", params={"url": url}, headers={"X-Client": client})

    greedy = [pool.submit(capture, "greedy", slow)]
    eventually(lambda: narrow.health()["in_flight"] == 1)
    greedy.append(pool.submit(capture, "greedy", slow))
    eventually(lambda: narrow.health()["queued"] == 1)
    assert failure(capture("greedy", quick))[:2] == (429, "rate_limited")
    modest = pool.submit(capture, "modest", quick)
    status, code, reason = failure(greedy[1].result())[:3]
    gate.set()
    assert (status, code) == (429, "rate_limited")
    assert "share" in reason
    assert [colour(each.result()) for each in (greedy[0], modest)] == [GREEN, GREEN]


def test_any_other_priority_is_a_foreground_capture(site: Site, pool: ThreadPoolExecutor, mortal: Engine):
    """It gets the slot that background captures leave, while one of them has the other."""
    gate = threading.Event()

    def ask(url: str, priority: str) -> requests.Response:
        return mortal.get("/v1/screenshot", params={"url": url}, headers={"Priority": priority})

    held = pool.submit(ask, site.add("/imported-slowly", body("green"), gate=gate), "u=7")
    eventually(lambda: mortal.health()["in_flight"] == 1)
    for priority in ("u=0", "u=3, i", "u=77", "u=7.5", "u=7, u=2", "u", "\xff;="):
        assert failure(ask(site.url("/absent"), priority))[1] == "page_status", priority
    assert not held.done()
    gate.set()
    assert colour(held.result()) == GREEN


def test_a_client_that_disconnects_frees_its_slot(narrow: Engine, site: Site):
    gate = threading.Event()
    site.add("/abandoned", body("green"), gate=gate)
    host, port = narrow.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(f"GET /v1/screenshot?url={site.url('/abandoned')} HTTP/1.1\r\nHost: e\r\n\r\n".encode())
        eventually(lambda: narrow.health()["in_flight"] == 1)
    eventually(lambda: narrow.health()["in_flight"] == 0)
    assert colour(narrow.capture(site.add("/after", body("green")))) == GREEN
    gate.set()


def test_a_browser_that_crashes_while_idle_is_replaced(mortal: Engine, site: Site):
    restarts, browser = mortal.health()["restarts"], mortal.browser_pids[-1]
    os.kill(browser, signal.SIGKILL)
    eventually(lambda: mortal.health()["restarts"] == restarts + 1)
    assert colour(mortal.capture(site.add("/after", body("green")))) == GREEN
    eventually(lambda: group_members(browser) == [])


def test_running_captures_are_retried_once_when_the_browser_crashes(
    mortal: Engine, site: Site, pool: ThreadPoolExecutor
):
    gate = threading.Event()
    url = site.add("/survivor", body("green"), gate=gate)
    restarts = mortal.health()["restarts"]
    captures = [pool.submit(mortal.capture, url) for _ in range(2)]
    eventually(lambda: site.hits("/survivor") == 2)
    os.kill(mortal.browser_pids[-1], signal.SIGKILL)
    eventually(lambda: site.hits("/survivor") == 4)
    gate.set()
    assert [colour(capture.result()) for capture in captures] == [GREEN, GREEN]
    assert mortal.health()["restarts"] == restarts + 1


def test_a_capture_whose_browser_crashes_twice_says_so(mortal: Engine, site: Site, pool: ThreadPoolExecutor):
    url = site.add("/killer", gate=site.closing)
    restarts = mortal.health()["restarts"]
    capture = pool.submit(mortal.capture, url)
    for hits in (1, 2):
        eventually(lambda hits=hits: site.hits("/killer") == hits)
        os.kill(mortal.browser_pids[-1], signal.SIGKILL)
    assert failure(capture.result())[:2] == (503, "browser_crashed")
    assert "Retry-After" in capture.result().headers
    # The engine remembers the page, which crashes no third browser.
    assert failure(mortal.capture(url))[:2] == (422, "page_crashed")
    eventually(lambda: mortal.health()["restarts"] == restarts + 2)
    assert site.hits("/killer") == 2
    assert colour(mortal.capture(site.add("/after", body("green")))) == GREEN


def test_two_captures_that_share_two_crashes_are_not_refused_afterwards(
    mortal: Engine, site: Site, pool: ThreadPoolExecutor
):
    gate = threading.Event()
    paths = ["/killer-perhaps", "/bystander-perhaps"]
    urls = [site.add(path, body("green"), gate=gate) for path in paths]
    captures = [pool.submit(mortal.capture, url) for url in urls]
    for hits in (1, 2):
        eventually(lambda hits=hits: [site.hits(path) for path in paths] == [hits, hits])
        os.kill(mortal.browser_pids[-1], signal.SIGKILL)
    assert [failure(capture.result())[1] for capture in captures] == ["browser_crashed"] * 2
    gate.set()
    assert [colour(mortal.capture(url)) for url in urls] == [GREEN, GREEN]


def test_a_hung_browser_is_killed_at_the_deadline_and_its_page_is_remembered(site: Site, pool: ThreadPoolExecutor):
    url = site.add("/frozen", gate=site.closing)
    with small_engine(site, ENGINE_DEADLINE=7) as engine:
        for hits in (1, 2):
            capture = pool.submit(engine.capture, url)
            eventually(lambda hits=hits: site.hits("/frozen") == hits)
            os.kill(engine.browser_pids[-1], signal.SIGSTOP)
            assert failure(capture.result())[:2] == (504, "timeout")
            assert colour(engine.capture(site.add("/after", body("green")))) == GREEN
            assert engine.health()["restarts"] == hits
        assert failure(engine.capture(url))[:2] == (422, "page_crashed")
        eventually(lambda: [group_members(pid) for pid in engine.browser_pids[:2]] == [[], []])


def test_a_browser_is_replaced_after_its_maximum_of_captures(site: Site):
    url = site.add("/many", body("green"))
    with small_engine(site, ENGINE_MAX_CAPTURES=2) as engine:
        assert [colour(engine.capture(url)) for _ in range(5)] == [GREEN] * 5
        health = engine.health()
        assert (health["captures"], health["restarts"]) == (5, 2)
        eventually(lambda: [group_members(pid) for pid in engine.browser_pids[:2]] == [[], []])


def test_after_sigterm_an_engine_ends_what_it_has_and_takes_nothing_new(site: Site, pool: ThreadPoolExecutor):
    gate = threading.Event()
    slow, quick = site.add("/running", body("green"), gate=gate), site.add("/too-late", body("green"))
    with small_engine(site, ENGINE_CONCURRENCY=1) as engine:
        captures = [pool.submit(engine.capture, slow) for _ in range(2)]
        eventually(lambda: (engine.health()["in_flight"], engine.health()["queued"]) == (1, 1))
        engine.process.send_signal(signal.SIGTERM)
        eventually(lambda: engine.logged("draining"))
        assert failure(engine.capture(quick))[:2] == (503, "draining")
        assert int(engine.capture(quick).headers["Retry-After"]) > 0
        answer = engine.get("/health")
        assert (answer.status_code, answer.json()["ok"], answer.json()["status"]) == (503, False, "draining")
        assert engine.process.poll() is None
        gate.set()
        assert [colour(capture.result()) for capture in captures] == [GREEN, GREEN]
        assert engine.process.wait(20) == 0
        assert site.hits("/too-late") == 0
        assert engine.stop() == 0
        engine.assert_nothing_left()


def test_an_engine_without_captures_stops_at_once_on_sigterm(site: Site):
    with small_engine(site, ENGINE_DEADLINE=120) as engine:
        assert engine.stop() == 0  # which waits for less than a deadline
        engine.assert_nothing_left()


@pytest.mark.parametrize("signals", [[signal.SIGTERM, signal.SIGTERM], [signal.SIGINT]])
def test_a_second_signal_or_a_person_stops_an_engine_during_a_capture(
    site: Site, pool: ThreadPoolExecutor, signals: list[int]
):
    path = f"/interrupted-{len(signals)}"
    url = site.add(path, gate=site.closing)
    with small_engine(site, ENGINE_DEADLINE=120) as engine:
        capture = pool.submit(engine.capture, url)
        eventually(lambda: site.hits(path) == 1)
        for number, each in enumerate(signals):
            engine.process.send_signal(each)
            if number < len(signals) - 1:
                eventually(lambda: engine.logged("draining"))
        assert engine.process.wait(20) == 0
        assert engine.stop() == 0
        with contextlib.suppress(OSError):  # the connection may be cut, or the answer may be a 5xx
            assert capture.result().status_code >= 500
        engine.assert_nothing_left()


def test_a_page_that_never_answers_keeps_no_engine_from_stopping(site: Site, pool: ThreadPoolExecutor):
    url = site.add("/late", gate=site.closing)
    with small_engine(site, ENGINE_DEADLINE=5, ENGINE_CONCURRENCY=1) as engine:
        captures = [pool.submit(engine.capture, url) for _ in range(2)]
        eventually(lambda: engine.health()["queued"] == 1)
        engine.process.send_signal(signal.SIGTERM)
        assert {failure(capture.result())[1] for capture in captures} <= {"timeout", "rate_limited"}
        assert engine.process.wait(20) == 0
        assert engine.stop() == 0
        engine.assert_nothing_left()


def test_a_killed_engine_takes_its_browser_with_it_and_the_next_engine_removes_its_folder(site: Site):
    with tempfile.TemporaryDirectory() as name:
        tmp = Path(name)
        tmp.chmod(0o711)
        killed = Engine(start_engine(tmp, QUICK | {"PRIVATE_TARGETS": site.address}), tmp)
        killed.wait_until_ready()
        killed.process.kill()
        killed.stop()
        eventually(lambda: group_members(killed.browser_pids[0]) == [])
        assert list(tmp.iterdir()) != []
        heir = Engine(start_engine(tmp, QUICK | {"PRIVATE_TARGETS": site.address}), tmp)
        heir.wait_until_ready()
        assert len(list(tmp.iterdir())) == 1
        assert heir.stop() == 0
        heir.assert_nothing_left()


@pytest.mark.parametrize("source", ["ENGINE_API_KEY", "ENGINE_API_KEY_FILE"])
def test_a_key_is_required_where_one_is_set(site: Site, tmp_path: Path, source: str):
    url = site.add("/keyed", body("green"))
    secret = tmp_path / "key"
    secret.write_text("sesame\n")
    given = {source: "sesame" if source == "ENGINE_API_KEY" else secret}
    with small_engine(site, **given) as engine:
        assert failure(engine.capture(url))[:2] == (401, "unauthorized")
        for headers, status in (
            ({"Authorization": "Bearer sesame"}, 400),  # as there is no URL
            ({"X-API-Key": "sesame"}, 400),
            ({"Authorization": "Bearer ses"}, 401),
            ({"X-API-Key": "sésame".encode()}, 401),
            ({"Authorization": "Basic sesame"}, 401),
        ):
            assert engine.get("/v1/screenshot", headers=headers).status_code == status, headers
        assert engine.get("/v1/screenshot", params={"url": url}, headers={"X-API-Key": "sesame"}).status_code == 200
        assert engine.get("/health").status_code == 200
        assert "sesame" not in str(engine.events)
        assert b"sesame" not in Path(f"/proc/{engine.browser_pids[0]}/environ").read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_engine_run_by_root_runs_its_browser_as_another_user(engine: Engine):
    assert Path(f"/proc/{engine.browser_pids[-1]}").stat().st_uid != 0


def test_a_request_id_is_echoed_if_it_is_harmless(engine: Engine):
    assert engine.get("/health", headers={"X-Request-ID": "abc-1.2_3"}).headers["X-Request-ID"] == "abc-1.2_3"
    strange = engine.get("/health", headers={"X-Request-ID": "a b;c"}).headers["X-Request-ID"]
    assert strange.isalnum()
    assert strange != engine.get("/health").headers["X-Request-ID"]


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /v1/screenshot?url=http%3A%2F%2F93.184.216.34%2F%3Ftoken%3Ds3cret HTTP/1.1 bad",
        b"GET /v1/screenshot?token=s3cret HTTP/1.1\r\nHost: x\r\nX-API-Key correct-horse",
        b"GET /v1/screenshot?token=s3cret HTTP/1.1\r\nHost: x\r\nX-API-Key : correct-horse",
        b"POST /v1/screenshot HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\ns3cret",
    ],
)
def test_a_malformed_request_is_refused_and_not_logged(engine: Engine, sent: bytes):
    before = len(engine.events)
    host, _, port = engine.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 30) as client:
        client.sendall(sent + b"\r\n\r\n")
        assert client.recv(12)[9:] == b"400"
    eventually(lambda: "request could not be parsed" in str(engine.events[before:]))
    said = str(engine.events[before:])

    assert "s3cret" not in said
    assert "correct-horse" not in said


def test_the_log_holds_only_the_host_of_the_url(engine: Engine, site: Site):
    url = site.add("/secret-path", body("green"))
    engine.capture(f"{url}?token=hush#fragment", timeout=10)
    engine.capture(f"{site.url('/absent-secret')}?token=hush")
    captures = eventually(lambda: [e for e in engine.logged("capture") if e.get("reason") == "the page answered 404"])
    assert captures[-1]["host"] == site.host
    assert not any(word in str(engine.events) for word in ("secret", "hush", "fragment"))


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://169.254.169.254/latest", "http://localhost/", "http://[::1]/", "http://10.0.0.1/"],
)
def test_an_address_that_is_not_public_is_blocked(engine: Engine, url: str):
    status, code, message = failure(engine.capture(url))
    assert (status, code) == (400, "blocked_url")
    assert message == "url: the host is not a public address that may be captured, or does not exist"


@pytest.mark.parametrize("query", ["", "?url=", "?url=file:///etc/passwd", "?url=http://e.com&url=http://e.com"])
def test_a_bad_query_names_the_option(engine: Engine, query: str):
    status, code, message = failure(engine.get(f"/v1/screenshot{query}"))
    assert (status, code) == (400, "validation_error")
    assert "url" in message


@pytest.mark.parametrize("sent", [b"", b"[]", b"null", b"{", b'{"a":1,"a":2}', b"[" * 5000, b'{"url": 1}', b"\xff"])
def test_a_bad_body_is_a_validation_error(engine: Engine, sent: bytes):
    assert failure(engine.post("/v1/screenshot", data=sent))[:2] == (400, "validation_error")


def test_a_body_above_64_kib_is_too_large(engine: Engine):
    assert failure(engine.post("/v1/screenshot", data=b" " * 70_000))[:2] == (413, "validation_error")


def test_other_paths_and_methods_answer_in_the_same_envelope(engine: Engine):
    assert failure(engine.get("/nowhere"))[:2] == (404, "not_found")
    assert failure(engine.post("/health"))[:2] == (405, "method_not_allowed")


def test_an_invalid_selector_is_a_validation_error(engine: Engine, site: Site):
    url = site.add("/bare", body("green"))
    for name in ("wait_for", "selector", "hide_selectors"):
        answer = engine.capture(url, **{name: "..x"})
        assert failure(answer) == (400, "validation_error", f"{name}: must be a valid CSS selector")
        assert answer.json()["field"] == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENGINE_CONCURRENCY", "many"),
        ("ENGINE_DEADLINE", "1"),
        ("ENGINE_FIRST_BYTE_SECONDS", "0"),
        ("ENGINE_PORT", "70000"),
        ("ENGINE_CHROMIUM", "/nowhere"),
        ("ENGINE_BROWSER_USER", "nobody-at-all"),
        ("PRIVATE_TARGETS", "10.0.0.0/99"),
        ("ALLOWED_PORTS", "http"),
        ("ENGINE_USER_AGENT_SUFFIX", "Vorschau für Seiten"),
        ("ENGINE_ISOLATION", "none"),
        ("ENGINE_EGRESS", "egress"),
        ("ENGINE_EGRESS", ":1080"),
        ("ENGINE_EGRESS", "egress:65536"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_an_invalid_setting_stops_the_start_and_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
):
    monkeypatch.chdir(tmp_path)  # where no `.env` is
    monkeypatch.setenv("RES_OPTIONS", "")  # or the start would set it, for the tests after this one too
    monkeypatch.setenv(name, value)
    assert run(lambda _: pytest.fail("it started")) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{name} is invalid: set it to ")
    assert said.count("\n") == 1


def test_a_template_that_cannot_be_used_stops_the_start_with_its_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RES_OPTIONS", "")
    monkeypatch.setenv("TEMPLATES_DIR", "templates")
    (tmp_path / "templates" / "mine").mkdir(parents=True)
    (tmp_path / "templates" / "mine" / "template.toml").write_text('title = "Mine"\nwidht = 3\n')
    assert run(lambda _: pytest.fail("it started")) == 2
    said = capsys.readouterr().err
    assert said.startswith("TEMPLATES_DIR is invalid: templates/mine/template.toml:2: widht is not known")


def test_an_engine_with_an_invalid_setting_exits_with_status_2(tmp_path: Path):
    with start_engine(tmp_path, {"ENGINE_CONCURRENCY": "many"}) as process:
        _, said = process.communicate(timeout=20)
    assert process.returncode == 2
    assert said.startswith("ENGINE_CONCURRENCY is invalid: set it to ")
    assert said.count("\n") == 1


def test_an_empty_setting_counts_as_unset_and_an_unknown_one_is_logged(site: Site):
    with small_engine(site, ENGINE_CONCURRENCY="", ENGINE_QUEU="3") as engine:
        assert engine.health()["ok"]
        assert engine.logged("ENGINE_QUEU is not a setting of the engine; did you mean ENGINE_QUEUE?")


def test_a_port_in_use_stops_the_start(engine: Engine):
    port = engine.url.rpartition(":")[2]
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        with start_engine(Path(name), QUICK | {"ENGINE_PORT": port}) as process:
            _, said = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "cannot listen" in said
        assert list(Path(name).iterdir()) == []


def script(directory: Path, text: str) -> Path:
    """Make an executable that replaces Chromium, for failures that the real one does not produce on demand."""
    path = directory / "chromium"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


ISOLATED, FLAGS = "the browser is isolated by", "the flags that keep its traffic in the proxy"
ACCOUNT = ", the account nobody" if os.geteuid() == 0 else ""


def test_without_a_usable_sandbox_the_engine_runs_and_logs_it(site: Site):
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        stand_in = script(
            Path(name),
            f'case "$*" in *--no-sandbox*) exec {chromium()} "$@";; esac\necho \'No usable sandbox!\' >&2; exit 1',
        )
        with small_engine(site, ENGINE_CHROMIUM=stand_in) as engine:
            assert engine.health()["sandbox"] is False
            assert engine.health()["isolation"] == "namespace"
            assert engine.logged(f"Chromium has no usable sandbox: {ISOLATED} a network namespace{ACCOUNT} alone")
            assert colour(engine.capture(site.add("/open", body("green")))) == GREEN


# The root of a user namespace can forbid further ones, as the kernel of another machine may.
WITHOUT_NAMESPACES = (
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    'echo 0 >/proc/sys/user/max_user_namespaces && exec "$0" "$@"',
)


def test_without_namespaces_only_flags_isolate_the_browser_and_the_engine_logs_it(site: Site):
    settings = QUICK | {"PRIVATE_TARGETS": site.address, "ENGINE_BROWSER_USER": "root"}
    with tempfile.TemporaryDirectory() as name:
        engine = Engine(start_engine(Path(name), settings, WITHOUT_NAMESPACES), Path(name))
        try:
            engine.wait_until_ready()
            assert engine.health()["isolation"] == "flags"
            lost = "no network namespace can be created and Chromium has no usable sandbox"
            assert engine.logged(f"{lost}: {ISOLATED} {FLAGS} alone")
            assert (
                colour(engine.capture(site.add("/flags", body("green", "<img src=http://10.0.0.1/>"))), (500, 500))
                == GREEN
            )
        finally:
            engine.stop()
        engine.assert_nothing_left()


def test_the_engine_does_not_start_without_a_namespace_that_the_operator_requires():
    settings = QUICK | {"ENGINE_BROWSER_USER": "root", "ENGINE_ISOLATION": "namespace"}
    with (
        tempfile.TemporaryDirectory() as name,
        start_engine(Path(name), settings, WITHOUT_NAMESPACES) as process,
    ):
        _, said = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "no network namespace can be created" in said
        assert list(Path(name).iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_temporary_directory_that_the_browser_cannot_enter_is_named():
    with tempfile.TemporaryDirectory() as name, start_engine(Path(name), QUICK) as process:  # 0700
        _, said = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "ENGINE_BROWSER_USER" in said
        assert "TMPDIR" in said
        assert "sandbox:" not in said


def test_a_browser_that_does_not_start_stops_the_start(tmp_path: Path):
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        tmp = Path(name) / "tmp"
        tmp.mkdir()
        settings = QUICK | {"ENGINE_CHROMIUM": script(Path(name), "echo 'no libnss' >&2; exit 1")}
        with start_engine(tmp, settings) as process:
            _, said = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "no libnss" in said
        assert "Traceback" not in said
        assert list(tmp.iterdir()) == []


def test_the_engine_runs_the_real_binary_without_a_wrapper(engine: Engine):
    """Killing a wrapper script would orphan the browser."""
    name = subprocess.run(
        ["ps", "-o", "comm=", "-p", str(engine.browser_pids[-1])], check=True, capture_output=True, text=True
    ).stdout
    assert name.startswith("chromium")

"""`GET /explain`, over HTTP: each thing that it tells, in a situation in which that changes; and that it does nothing else."""

import json
import threading
from contextlib import contextmanager

import pytest
import redis

from app import create_app
from options import LOAD_HEADER
from tests.support.engine import eventually
from tests.support.redis import age_pictures
from tests.support.screenshot_api import drawn, refuse, running_screenshot_api
from tests.support.visitors import PAGE, Crowd, get
from thumbnails import describe

KEYS = {"api_keys": "cms:correct-horse:3/minute"}
CMS = {"X-API-Key": "correct-horse"}


_OF_EVERY_REQUEST = (b":heartbeat:", b":limits:LIMITER/thumb/")  # what processes and the flood guard write


def explain(asked, url=PAGE, headers=None, **options):
    answer = asked.get("/explain", query_string={"url": url, **options}, headers=headers)
    assert answer.status_code == 200, answer.json
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json


def would_get(told):
    request = told["request"]
    return request["x_cache"] or request["code"], request["captures"], request["renditions"]


@contextmanager
def unchanged(redis_url, folder):
    """Prove that the block writes nothing to Redis or the store of originals."""

    def state():
        with redis.Redis.from_url(redis_url) as store:
            values = {
                name: store.dump(name)
                for name in store.scan_iter("*")
                if not any(part in name for part in _OF_EVERY_REQUEST)
            }
        return values, {path: path.stat() for path in folder.glob("??/*")}

    before = state()
    yield
    assert state() == before


# What it knows


def test_of_an_unknown_page_it_tells_what_a_capture_costs(make_client, api, redis_url, tmp_path):
    client = make_client(capture_cost="snapsharp:0.004")
    with unchanged(redis_url, tmp_path / "originals"):
        told = explain(client, "HTTPS://Example.com:443", w=320, format="webp")

    assert told["url"] == PAGE
    assert told["options"]["w"] == 320
    assert told["options"]["format"] == "webp"
    assert would_get(told) == ("MISS", 1, 0)
    assert (told["request"]["api"], told["request"]["price"]) == ("snapsharp", "0.004")
    cache = told["cache"]
    assert {
        name: cache[name] for name in ("memory", "rendition", "note", "original", "failure", "purged_before")
    } == dict.fromkeys(("memory", "rendition", "note", "original", "failure", "purged_before"))
    assert json.loads(told["keys"]["rendition"]["canonical"])["rendition"] == {"format": "webp", "w": 320}
    assert told["guard"] == {"verdict": "public", "allowed": True, "addresses": ["93.184.216.34"], "judged_here": True}
    assert told["flight"] == {"here": False, "elsewhere": False, "machine": None, "process": None, "seconds": None}
    assert (told["failures"], told["access"]["signature_needed"], api.calls) == ([], False, [])


def test_of_a_known_picture_it_tells_each_level(client, api, redis_url, tmp_path):
    picture = get(client, w=320, format="webp")
    with unchanged(redis_url, tmp_path / "originals"):
        told = explain(client, w=320, format="webp")

    cache = told["cache"]
    assert would_get(told) == ("HIT", 0, 0)
    for level in (cache["memory"], cache["rendition"]):
        assert (level["state"], level["content_type"], level["bytes"]) == ("fresh", "image/webp", len(picture.data))
        assert (level["width"], f'"{level["etag"]}"') == (320, picture.headers["ETag"])
        assert level["captured_by"] == "snapsharp"
        assert 86000 < level["fresh_for"] <= 86400 < level["stale_for"]
    assert cache["memory"]["held_for"] >= 0
    assert cache["rendition"]["kept_for"] > 86400
    assert (cache["original"]["content_type"], cache["original"]["width"]) == ("image/png", 1280)
    assert cache["originals"] == "folder"
    assert cache["note"]["captured_at"] == cache["original"]["captured_at"]
    assert cache["original"]["kept_for"] > 86400
    assert len(api.calls) == 1


@pytest.mark.parametrize(
    ("options", "answer"),
    [({"w": 64}, ("HIT", 0, 1)), ({}, ("HIT", 0, 0)), ({"fresh": 1}, ("MISS", 1, 0)), ({"full_page": 1}, ("MISS", 1, 0))],
)  # fmt: skip
def test_what_another_request_would_cost_is_what_it_does_cost(client, api, options, answer):
    get(client, w=320)
    told = explain(client, **options)
    before = explain(client)["budgets"]
    served = get(client, **options)
    after = explain(client)["budgets"]

    spent = [before[name][0]["remaining"] - after[name][0]["remaining"] for name in ("captures", "renditions")]
    assert would_get(told) == answer == (served.headers["X-Cache"], *spent)


def test_of_a_stale_picture_it_tells_the_capture_in_the_background(make_client, redis_url, tmp_path):
    client = make_client(memory_cache_bytes=0)
    get(client, w=320)
    age_pictures(redis_url, 2 * 86400, tmp_path / "originals")
    told = explain(client, w=320)

    assert (told["cache"]["rendition"]["state"], told["cache"]["rendition"]["fresh_for"]) == ("stale", 0)
    assert told["cache"]["rendition"]["stale_for"] > 0
    assert would_get(told) == ("STALE", 1, 0)
    assert would_get(explain(client, w=64)) == ("STALE", 1, 1)


def test_what_was_purged_is_told_as_such(client):
    get(client, w=320)
    client.post("/purge", json={"url": PAGE})
    told = explain(client, w=320)

    levels = [told["cache"][name] for name in ("memory", "rendition", "original")]
    assert {each["state"] for each in levels if each} == {"purged"}
    assert told["cache"]["purged_before"] > levels[1]["captured_at"]
    assert would_get(told) == ("MISS", 1, 0)


def test_an_older_rendition_is_outdated_by_a_new_capture(client):
    get(client, w=320)
    get(client, w=64, fresh=1)
    told = explain(client, w=320)

    assert told["cache"]["rendition"]["state"] == "outdated"
    assert would_get(told) == ("HIT", 0, 1)


def test_of_a_failed_page_it_tells_the_reason_and_what_happened(client, api):
    api.behave(refuse(422, "page_status"), times=9)
    failed = get(client)
    calls = len(api.calls)
    told = explain(client)

    failure, (past,) = told["cache"]["failure"], told["failures"]
    assert failure["code"] == past["code"] == failed.json["code"]
    assert failure["reason"] == failed.json["detail"]
    assert 0 < failure["seconds_left"] <= 30
    assert (past["request_id"], past["api"], past["api_status"]) == (failed.headers["X-Request-ID"], "snapsharp", 422)
    assert would_get(told) == (failure["code"], 0, 0)
    assert would_get(explain(client, fresh=1)) == ("MISS", 1, 0)
    assert len(api.calls) == calls


# What would refuse it


def test_a_name_that_leads_inside_is_refused_with_its_addresses(client, resolver, api):
    resolver.answers["inside.example"] = ["93.184.216.34", "10.0.0.7"]
    told = explain(client, "https://inside.example/")

    assert told["guard"] == {
        "verdict": "private", "allowed": False, "addresses": ["93.184.216.34", "10.0.0.7"], "judged_here": True
    }  # fmt: skip
    assert would_get(told) == ("blocked_url", 0, 0)
    assert get(client, "https://inside.example/").json["code"] == "blocked_url"


def test_no_name_is_looked_up_where_the_api_does_that(make_client, resolver):
    told = explain(make_client(resolve_targets=False))
    assert (told["guard"]["verdict"], told["guard"]["judged_here"], resolver.asked) == ("needs_lookup", False, [])
    assert would_get(told) == ("MISS", 1, 0)


@pytest.mark.parametrize(
    ("settings", "options", "part", "code"),
    [
        ({"blocked_targets": "example.com"}, {}, "target", "taken_down"),
        ({"allowed_targets": "example.org"}, {}, "target", "forbidden_host"),
        ({"allowed_sizes": "320"}, {"w": 321}, "size", "invalid_option"),
    ],
)
def test_what_the_operator_forbids_is_told(make_client, settings, options, part, code):
    told = explain(make_client(**settings), **options)
    other = "size" if part == "target" else "target"
    assert (told["access"][part]["code"], told["access"][other]["allowed"]) == (code, True)
    assert would_get(told) == (code, 0, 0)


def test_a_needed_signature_is_told(make_client):
    client = make_client(signing_keys="a-signing-key-of-32-characters-or-so", **KEYS)
    assert explain(client, headers=CMS)["access"]["signature_needed"] is True


def test_a_used_up_budget_is_told_and_stays_as_it_is(make_client, api):
    client = make_client(thumb_limit="1 per hour; 5 per day")
    get(client)
    for _ in range(3):
        told = explain(client, "https://example.org/")
        assert [(each["limit"], each["window"], each["remaining"]) for each in told["budgets"]["captures"]] == [
            (1, 3600, 0), (5, 86400, 4),
        ]  # fmt: skip
        assert 0 < told["budgets"]["captures"][0]["reset"] <= 3600
        assert would_get(told) == ("rate_limited", 0, 0)
    assert told["client"] == "127.0.0.1"
    assert len(api.calls) == 1


def test_the_budgets_of_another_client_are_told(make_client):
    client = make_client(thumb_limit="7 per minute", **KEYS)
    get(client, headers=CMS)
    mine = explain(client, headers=CMS)
    named = explain(client, headers=CMS, client="cms")
    theirs = explain(client, headers=CMS, client="198.51.100.7")

    assert mine["client"] == named["client"] == "key:cms"
    assert mine["budgets"]["captures"][0]["remaining"] == named["budgets"]["captures"][0]["remaining"] == 2
    assert (theirs["client"], theirs["budgets"]["captures"][0]["remaining"]) == ("198.51.100.7", 7)
    assert set(mine["budgets"]) == {
        "requests", "captures", "renditions", "permanent_pictures", "permanent_bytes", "job_requests", "jobs", "sites"
    }  # fmt: skip


def test_an_open_breaker_and_a_spent_day_are_told(make_client, api):
    client = make_client(capture_cost="snapsharp:1", capture_cost_limit="2.5")
    api.behave(refuse(402, "quota_exceeded"))
    get(client, "https://one.example/")
    (told,) = explain(client)["apis"]
    assert (told["breaker"]["state"], told["breaker"]["code"], told["takes"]) == ("open", "upstream_quota", False)
    assert told["breaker"]["seconds"] > 0
    assert would_get(explain(client)) == ("upstream_unavailable", 0, 0)

    client = make_client(capture_cost="snapsharp:2", capture_cost_limit="2.5")
    (told,) = explain(client)["apis"]
    assert (told["price"], told["affordable"]) == ("2", False)
    assert would_get(explain(client)) == ("upstream_quota", 0, 0)


def test_an_option_that_no_api_has_is_told(client):
    told = explain(client, scale=1.5)
    assert told["apis"][0]["refusal"].startswith("scale")
    assert would_get(told) == ("invalid_option", 0, 0)


def test_a_capture_in_progress_is_told_here_and_to_other_processes(make_built, api):
    here, elsewhere = (create_app(each.settings, each).test_client() for each in (make_built(), make_built()))
    gate = threading.Event()
    api.hold(gate)
    waiting = Crowd(here, 1).ask(url=PAGE)
    try:
        eventually(lambda: api.calls)
        mine, theirs = explain(here), explain(elsewhere)
    finally:
        gate.set()
        waiting.result()

    assert (mine["flight"]["here"], mine["flight"]["elsewhere"]) == (True, False)
    assert (theirs["flight"]["here"], theirs["flight"]["elsewhere"]) == (False, True)
    assert theirs["flight"]["process"] > 0
    assert theirs["flight"]["machine"]
    assert theirs["flight"]["seconds"] >= 0
    assert mine["apis"][0]["addresses"][0]["outstanding"] == 1
    assert would_get(mine) == would_get(theirs) == ("MISS", 0, 0)


def test_how_often_the_host_is_captured_is_told(make_client):
    client = make_client(target_limit="2 at a time; 1 per hour")
    get(client)
    told = explain(client, PAGE + "other")

    assert (told["host"]["at_once"], told["host"]["running"]) == (2, 0)
    assert [(each["limit"], each["window"], each["remaining"]) for each in told["host"]["rates"]] == [(1, 3600, 0)]
    assert would_get(told) == ("target_busy", 0, 0)


def test_an_engine_that_is_away_or_busy_is_told(make_client):
    with running_screenshot_api("engine") as one, running_screenshot_api("engine") as other:
        for each in (one, other):
            each.behave(loaded(5, 4), times=9)
        urls = f"http://127.0.0.1:1,{one.url},{other.url}"
        client = make_client(capture_api="engine", capture_url=urls, capture_api_key=None)
        assert get(client).status_code == 200
        (told,) = explain(client)["apis"]

    away, *works = told["addresses"]
    assert (away["address"], away["away"], away["slots"]) == ("127.0.0.1:1", True, None)
    assert sorted((each["slots"] or 0, each["others"] or 0) for each in works) == [(0, 0), (4, 5)]
    assert told["takes"] is True


def loaded(captures, slots):
    """Draw a picture, as an engine that says how busy it is."""

    def behaviour(answer):
        body, content_type = drawn(answer)
        answer.reply(200, body, {"Content-Type": content_type, LOAD_HEADER: f"{captures}/{slots}"})

    return behaviour


def test_no_private_option_is_shown(built):
    """A URL must have none, but a program inside may ask about a request of its own."""
    cookie = {"name": "session", "value": "hush-hush", "domain": "example.com"}
    wanted = built.validator.parse_json({"url": PAGE, "cookies": [cookie], "w": 64}).owned_by("key:cms")
    told = describe(built.explainer.explain(wanted, "key:cms", {"captures": [], "renditions": []}))

    assert (told["private"], told["options"]["cookies"], told["options"]["w"]) == (True, "[…]", 64)
    assert "hush" not in json.dumps(told)


# Who may ask, and how


@pytest.mark.parametrize(
    "query",
    ["", "url=ftp://example.com/", "url=https://10.0.0.1/", f"url={PAGE}&w=0", f"url={PAGE}&wide=1", f"url={PAGE}&w=1&w=2",
     f"url={PAGE}&cookies=a=hush"],
)  # fmt: skip
def test_bad_input_is_refused_as_by_thumb(client, query):
    told, thumb = client.get(f"/explain?{query}"), client.get(f"/thumb?{query}")
    assert told.status_code == thumb.status_code == 400
    assert (told.json["code"], told.json["detail"]) == (thumb.json["code"], thumb.json["detail"])
    assert "hush" not in told.text


@pytest.mark.parametrize("named", ["nobody", "999.1.2.3", "key:nobody"])
def test_an_unknown_client_is_refused(client, named):
    answer = client.get("/explain", query_string={"url": PAGE, "client": named})
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_option")
    assert answer.json["detail"].startswith("client: ")


def test_it_needs_a_key_where_keys_are_set(make_client):
    client = make_client(**KEYS)
    assert client.get("/explain", query_string={"url": PAGE}).json["code"] == "key_required"
    assert client.get("/explain", query_string={"url": PAGE}, headers={"X-API-Key": "wrong"}).json["code"] == "bad_key"


def test_without_keys_it_is_for_this_machine_alone(client):
    answer = client.get("/explain", query_string={"url": PAGE}, environ_base={"REMOTE_ADDR": "198.51.100.7"})
    assert (answer.status_code, answer.json["code"]) == (401, "key_required")


def test_without_redis_it_says_so(make_client, api):
    client = make_client(redis_url="redis://127.0.0.1:1", state_redis_url="redis://127.0.0.1:1")
    told = explain(client)
    assert told["cache"]["reachable"] is False
    assert would_get(told) == ("BYPASS", 1, 0)
    assert api.calls == []

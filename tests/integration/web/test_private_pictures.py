"""A picture that was taken with the caller's own secrets is served to that caller alone, from whatever tier."""

import threading
import time

import pytest
import redis

from jobs import CAPTURE, INTERACTIVE, JobResult, TaskMessage
from options import PRIVATE
from tests.support.processes import wait_until
from tests.support.screenshot_api import refuse
from tests.support.visitors import Crowd
from thumbnails import Ask

PAGE = "https://example.com/"
SECRET = "s3cr3t-0f-the-caller"
PRIVATE_OPTIONS = {
    "js": f"document.title = '{SECRET}'",
    "headers": {"X-Token": SECRET},
    "cookies": [{"name": "session", "value": SECRET, "domain": "example.com"}],
}
JS = {"js": PRIVATE_OPTIONS["js"]}
KEYS = "cms:correct-horse,shop:battery-staple"
CMS, SHOP = {"X-API-Key": "correct-horse"}, {"X-API-Key": "battery-staple"}


def post(client, path="/thumb", sender=None, address="127.0.0.1", **options):
    """Send `options` in a body, with the headers `sender`."""
    return client.post(path, json={"url": PAGE} | options, headers=sender, environ_base={"REMOTE_ADDR": address})


@pytest.fixture
def keyed(make_client):
    return make_client(api_keys=KEYS, memory_cache_bytes=2**24)


@pytest.fixture
def stored(redis_url):
    """Returns all that Redis holds, as one text."""
    with redis.Redis.from_url(redis_url) as store:

        def read():
            readers = {
                b"string": store.get,
                b"hash": store.hgetall,
                b"list": lambda name: store.lrange(name, 0, -1),
                b"zset": lambda name: store.zrange(name, 0, -1),
                b"stream": store.xrange,
            }
            return repr([(name, readers[store.type(name)](name)) for name in store.scan_iter()])

        yield read


def test_these_options_are_private():
    assert set(PRIVATE_OPTIONS) == PRIVATE


@pytest.mark.parametrize("path", ["/thumb", "/v1/screenshot"])
@pytest.mark.parametrize("name", PRIVATE_OPTIONS)
def test_a_picture_is_shared_with_no_other_caller(keyed, api, path, name):
    options = {name: PRIVATE_OPTIONS[name]}
    first, again, other = (post(keyed, path, who, **options) for who in (CMS, CMS, SHOP))

    assert [each.headers["X-Cache"] for each in (first, again, other)] == ["MISS", "HIT", "MISS"]
    assert len(api.calls) == 2


@pytest.mark.parametrize("path", ["/thumb", "/v1/screenshot"])
def test_a_picture_is_not_served_to_those_who_know_no_secret(keyed, api, path):
    post(keyed, path, CMS, **JS)

    assert post(keyed, path, CMS).headers["X-Cache"] == "MISS"
    assert post(keyed, path, CMS, js="another()").headers["X-Cache"] == "MISS"
    assert keyed.get("/thumb", query_string={"url": PAGE}).headers["X-Cache"] == ("HIT" if path == "/thumb" else "MISS")


def test_without_keys_an_address_is_a_caller(client, api):
    answers = [post(client, address=address, **JS) for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")]

    assert [each.headers["X-Cache"] for each in answers] == ["MISS", "HIT", "MISS"]


def test_a_private_picture_needs_a_key_where_keys_are_set(keyed, api):
    for path in ("/thumb", "/persist", "/screenshots", "/v1/screenshot"):
        assert post(keyed, path, **JS).status_code == 401
    assert api.calls == []


def test_callers_at_the_same_time_share_no_capture(make_client, api):
    gate = threading.Event()
    api.hold(gate)
    crowd = Crowd(make_client(), 3)

    def ask(address):
        return crowd.pool.submit(lambda: post(crowd.app.test_client(), address=address, **JS))

    try:
        answers = [ask(f"192.0.2.{number}") for number in (1, 2, 1)]
        wait_until(lambda: len(api.calls) == 2, "a capture for each of the two callers")
    finally:
        gate.set()

    assert [answer.result().status_code for answer in answers] == [200, 200, 200]
    assert len(api.calls) == 2


def test_a_failure_is_remembered_for_its_caller_alone(keyed, api):
    api.behave(refuse(422, "page_failed"))
    statuses = [post(keyed, sender=who, **JS).status_code for who in (CMS, CMS, SHOP)]

    assert statuses == [502, 502, 200]
    assert len(api.calls) == 2


def test_no_shared_cache_may_keep_it(keyed):
    for path in ("/thumb", "/v1/screenshot"):
        for response in [post(keyed, path, CMS, **JS) for _ in range(2)]:
            assert response.headers["Cache-Control"].startswith("private")


@pytest.mark.parametrize(
    ("path", "name"),
    [*(("/thumb", name) for name in PRIVATE_OPTIONS), ("/v1/screenshot", "headers"), ("/v1/screenshot", "cookies")],
)
def test_a_secret_in_a_url_is_refused_with_a_hint_to_post(client, api, path, name):
    response = client.get(path, query_string={"url": PAGE, name: SECRET})

    assert response.status_code == 400
    assert f"{name}: must not be in a URL; send the options as the JSON body of a POST" in response.text
    assert SECRET not in response.text
    assert api.calls == []


def test_a_script_in_a_query_of_the_contract_makes_the_picture_private_too(keyed, api):
    query = {"url": PAGE, "js": "document.title"}
    answers = [keyed.get("/v1/screenshot", query_string=query, headers=who) for who in (CMS, CMS, SHOP)]

    assert [each.headers["X-Cache"] for each in answers] == ["MISS", "HIT", "MISS"]
    assert {each.headers["Cache-Control"] for each in answers} == {"private, no-cache"}


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({"headers": {"Cookie": SECRET}}, "headers: must be without Cookie, which the browser sets itself"),
        ({"headers": {"Sec-Fetch-Mode": SECRET}}, "headers: must be without Sec-Fetch-Mode, which the browser sets"),
        ({"headers": [SECRET]}, "headers: must be an object of at most "),
        ({"headers": {"X-A": f"{SECRET}\r\nX-B: 1"}}, "headers: must be an object of at most "),
        ({"cookies": {"name": SECRET}}, "cookies: must be a list of at most "),
        ({"cookies": [{"name": "a", "value": SECRET, "domain": "example.org"}]}, "cookies: must be of the page's own"),
        ({"js": [SECRET]}, "js: must be a script of at most "),
    ],
)
@pytest.mark.parametrize(("path", "text"), [("/thumb", "detail"), ("/v1/screenshot", "message")])
def test_a_bad_one_gets_a_400_that_says_what_is_wrong_and_repeats_no_secret(client, api, path, text, options, detail):
    response = post(client, path, **options)

    assert response.status_code == 400
    assert response.json[text].startswith(detail)
    assert SECRET not in response.text
    assert api.calls == []


def test_the_screenshot_api_gets_secrets_in_a_body_and_never_in_a_url(client, api):
    for name, value in PRIVATE_OPTIONS.items():
        assert post(client, **{name: value}).status_code == 200
        assert (api.calls[-1].method, api.calls[-1].path) == ("POST", "/v1/screenshot")
        assert SECRET in str(api.calls[-1].params[name])
        assert set(api.calls[-1].params) & set(PRIVATE_OPTIONS) == {name}


def test_no_secret_is_logged_even_if_the_screenshot_api_repeats_it(make_client, api, capfd):
    client = make_client()
    api.behave(refuse(422, "page_failed", f"the script threw {SECRET}"))
    for path in ("/thumb", "/v1/screenshot", "/persist", "/screenshots"):
        post(client, path, **PRIVATE_OPTIONS)
        post(client, path, w=-1, **PRIVATE_OPTIONS)
        post(client, path, **{name: [SECRET] for name in PRIVATE_OPTIONS})
    post(client, url="https://example.org/", sender={"Idempotency-Key": "k"}, **PRIVATE_OPTIONS)
    logged = "".join(capfd.readouterr())

    assert "capture_refused" in logged
    assert SECRET not in logged


def test_redis_holds_no_secret_beside_the_picture(make_client, api, stored):
    client = make_client(refresh_budget=86400)
    for _ in range(2):
        post(client, **PRIVATE_OPTIONS)
    post(client, "/persist", sender={"Idempotency-Key": "one"}, **PRIVATE_OPTIONS)
    client.application.extensions["services"].popularity.flush()

    assert "example.com" in stored()
    assert SECRET not in stored()


def test_a_job_holds_the_secret_only_until_it_ends(make_client, api, stored):
    client = make_client()
    built = client.application.extensions["services"]
    id_ = post(client, "/screenshots", sender={"Idempotency-Key": "two"}, css="i{}", **PRIVATE_OPTIONS).json["job_id"]
    assert SECRET in stored()
    run = built.jobs.store.runs.begin(TaskMessage(CAPTURE, INTERACTIVE, id_))
    picture = built.thumbnailer.get(Ask(run.job.wanted)).picture
    assert api.calls[-1].params["js"] == PRIVATE_OPTIONS["js"]
    assert post(client, css="i{}", **PRIVATE_OPTIONS).headers["X-Cache"] == "HIT", "the worker captured for this caller"
    key = built.storage.put_for_job(picture, id_)
    result = JobResult(key, picture.content_type, picture.width, picture.height, len(picture.body), time.time())
    assert built.jobs.store.runs.complete(run, result)

    assert SECRET not in stored()
    assert client.get(f"/jobs/{id_}").json["status"] == "completed"
    assert client.get(f"/jobs/{id_}/image").data == picture.body


def test_views_of_a_private_picture_make_it_no_popular_page(make_client, redis_url):
    client = make_client(refresh_budget=86400)
    for _ in range(3):
        post(client, **JS)
    client.application.extensions["services"].popularity.flush()

    with redis.Redis.from_url(redis_url) as store:
        assert store.zcard("thumb:views") == 0


def test_persist_says_that_it_makes_a_private_picture_public(client):
    assert post(client, "/persist", **JS).json["private_content"] is True
    assert "private_content" not in post(client, "/persist").json


@pytest.mark.parametrize(("persist", "said"), [(True, True), (False, False)])
def test_a_job_says_so_too(client, persist, said):
    job = post(client, "/screenshots", persist=persist, **JS).json["job_id"]

    assert client.get(f"/jobs/{job}").json.get("private_content", False) is said


def test_a_batch_may_not_multiply_long_texts(client):
    urls = [f"https://example.com/{number}" for number in range(100)]
    response = client.post("/screenshots", json={"urls": urls, "css": "a" * 10_000})

    assert response.json["detail"] == "urls: must be at most 26 in a batch with so much text in css"
    assert client.post("/screenshots", json={"urls": urls[:26], "css": "a" * 10_000}).status_code == 202


def test_64_kb_bound_the_body(client):
    assert post(client, js="a" * 66_000).status_code == 413

"""Which origins' scripts may use an answer: CORS for programs, and pictures for every page."""

import pytest

PAGE = "https://example.com/"
CMS = {"Origin": "https://cms.example.com"}
OTHER = {"Origin": "https://other.example.com"}
ANYWHERE = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Timing-Allow-Origin": "*",
}
IMG = {"Accept": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}
READABLE = (
    "Location", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-Request-ID",
    "X-Thumb-State", "X-Thumb-Note", "X-Page-Status", "X-Error-Code", "X-Cache", "X-Edge-Cache", "ETag",
)  # fmt: skip


def get(client, headers=None, path="/thumb", **options):
    return client.get(path, query_string={"url": PAGE, **options}, headers=headers)


def names(header):
    return {name.strip().lower() for name in (header or "").split(",")}


def sharing(response):
    return {name: response.headers[name] for name in ANYWHERE if name in response.headers}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/jobs/0123456789abcdef0123456789abcdef", "/screenshots", "/persist", "/thumb"])
def test_a_script_of_an_allowed_origin_may_send_its_key_with_every_method(make_client, path, method):
    asked = {
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,prefer",
    }
    preflight = make_client(cors_origins="https://cms.example.com").options(path, headers=CMS | asked)

    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://cms.example.com"
    assert method.lower() in names(preflight.headers["Access-Control-Allow-Methods"])
    assert {"authorization", "content-type", "prefer"} <= names(preflight.headers["Access-Control-Allow-Headers"])


def test_a_script_reads_the_headers_that_tell_it_what_to_do_next(make_client):
    client = make_client(cors_origins="https://cms.example.com", api_keys="cms:correct-horse")
    made = client.post("/screenshots", json={"url": PAGE}, headers=CMS | {"X-API-Key": "correct-horse"})

    assert made.status_code == 202
    assert {name.lower() for name in READABLE} <= names(made.headers["Access-Control-Expose-Headers"])


def test_a_script_that_asks_too_often_reads_when_to_ask_again(make_client):
    client = make_client(cors_origins="https://cms.example.com", request_limit="1 per hour")
    refused = [client.get("/jobs/0123456789abcdef0123456789abcdef", headers=CMS) for _ in range(2)][-1]

    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (429, "https://cms.example.com")
    assert "retry-after" in names(refused.headers["Access-Control-Expose-Headers"])


@pytest.mark.parametrize("headers", [{}, CMS, OTHER])
@pytest.mark.parametrize("path", ["/jobs/0123456789abcdef0123456789abcdef", "/thumb?url=https://example.com/"])
def test_an_answer_that_depends_on_the_origin_says_so_to_caches(make_client, path, headers):
    client = make_client(cors_origins="https://cms.example.com")
    answers = [client.get(path, headers=headers) for _ in range(2)]  # the second one from the cache

    assert ["origin" in names(answer.headers["Vary"]) for answer in answers] == [True, True]
    allowed = "https://cms.example.com" if headers is CMS else None
    assert [answer.headers.get("Access-Control-Allow-Origin") for answer in answers] == [allowed, allowed]


def test_vary_names_the_origin_beside_what_else_the_answer_depends_on(make_client):
    client = make_client(cors_origins="https://cms.example.com")
    for _ in range(2):
        assert names(get(client, CMS, format="auto").headers["Vary"]) == {"accept", "origin"}


def test_an_answer_for_every_origin_depends_on_none(client):
    assert [get(client, CMS).headers.get("Vary") for _ in range(2)] == [None, None]


def test_pictures_and_placeholders_are_usable_by_every_page(client):
    taken, known = get(client), get(client)
    kept = get(client, {"If-None-Match": known.headers["ETag"]})
    head = client.head("/thumb", query_string={"url": PAGE})
    refused = get(client, IMG, w="nonsense")
    blocked = client.get("/thumb", query_string={"url": "http://10.0.0.1/"}, headers=IMG)

    assert (taken.status_code, known.headers["X-Cache"], kept.status_code) == (200, "HIT", 304)
    assert (refused.status_code, blocked.status_code) == (400, 400)
    assert [sharing(answer) for answer in (taken, known, kept, head, refused, blocked)] == [ANYWHERE] * 6


def test_a_placeholder_for_a_picture_to_come_is_usable_by_every_page(client, api):
    api.latency = 1
    pending = get(client, IMG, wait=0)
    assert (pending.status_code, sharing(pending)) == (202, ANYWHERE)


def test_a_script_of_any_page_reads_why_there_is_no_picture(client):
    refused = get(client, CMS, w="nonsense")

    assert sharing(refused) == ANYWHERE
    assert {"x-error-code", "retry-after", "x-thumb-state"} <= names(refused.headers["Access-Control-Expose-Headers"])


def test_permanent_pictures_are_usable_by_every_page(client):
    url = client.post("/persist", json={"url": PAGE}).json["url"]
    shown = client.get(url)

    assert (shown.status_code, sharing(shown)) == (200, ANYWHERE)
    assert sharing(client.get(url, headers={"If-None-Match": shown.headers["ETag"]})) == ANYWHERE


@pytest.mark.parametrize(
    "restriction", [{"api_keys": "cms:correct-horse"}, {"cors_origins": "https://cms.example.com"}]
)
def test_where_access_is_restricted_pictures_are_for_no_other_origin(make_client, restriction):
    client = make_client(**restriction)
    shown = [get(client, OTHER), get(client, OTHER), get(client, OTHER, w="nonsense")]

    assert [answer.status_code for answer in shown] == [200, 200, 400]
    assert [sharing(answer) for answer in shown] == [{}, {}, {}]


def test_signed_pictures_are_for_no_other_origin(make_client):
    refused = get(make_client(signing_keys="a-signing-key-of-tests-0001"), OTHER)
    assert (refused.status_code, sharing(refused)) == (403, {})


def test_where_access_is_restricted_allowed_origins_still_read_pictures(make_client):
    client = make_client(api_keys="cms:correct-horse", cors_origins="https://cms.example.com https://b.example")
    shown = [get(client, CMS), get(client, CMS), get(client, CMS, w="nonsense")]
    expected = {
        "Access-Control-Allow-Origin": "https://cms.example.com",
        "Timing-Allow-Origin": "https://cms.example.com",
    }
    assert [sharing(answer) for answer in shown] == [expected] * 3


def test_a_private_picture_is_for_no_other_origin(client):
    own = client.post("/thumb", json={"url": PAGE, "js": "1"}, headers=OTHER)

    assert own.status_code == 200
    assert sharing(own) == {}


def test_answers_to_programs_are_for_no_other_origin(client):
    assert [sharing(client.get(path, headers=OTHER)) for path in ("/ready", "/health", "/v1/usage")] == [{}] * 3

"""`POST /thumb`: the options of `GET /thumb` in a JSON body, for programs."""

import pytest

PAGE = "https://example.com/"


def post(client, headers=None, **options):
    return client.post("/thumb", json={"url": PAGE} | options, headers=headers)


def test_a_body_gets_the_picture_that_the_same_query_gets(client, api):
    posted = post(client, w=320, format="webp")
    got = client.get("/thumb", query_string={"url": PAGE, "w": 320, "format": "webp"})

    assert (posted.status_code, posted.content_type, posted.headers["X-Cache"]) == (200, "image/webp", "MISS")
    assert (got.data, got.headers["X-Cache"]) == (posted.data, "HIT")
    assert got.headers["ETag"] == posted.headers["ETag"]
    assert len(api.calls) == 1


def test_a_body_may_negotiate_its_format(client):
    response = post(client, format="auto", headers={"Accept": "image/webp"})

    assert (response.content_type, response.headers["Vary"]) == ("image/webp", "Accept")


@pytest.mark.parametrize(
    ("body", "field"), [({"w": 1}, "w"), ({"url": None}, "url"), ({"widht": 1}, "widht"), ({"wait": -1}, "wait")]
)
def test_a_bad_body_gets_a_400_that_names_the_option(client, api, body, field):
    response = post(client, **body)

    assert (response.status_code, response.json["detail"].partition(":")[0]) == (400, field)
    assert api.calls == []


def test_it_needs_a_key_where_keys_are_set_and_where_signatures_are(make_client, api):
    owner = {"X-API-Key": "correct-horse"}
    for settings in ({"api_keys": "shop:correct-horse"}, {"signing_keys": "a-signing-key-of-the-shop"}):
        assert post(make_client(**settings)).json["code"] == "key_required"
    assert api.calls == []
    both = make_client(api_keys="shop:correct-horse", signing_keys="a-signing-key-of-the-shop")
    assert post(both, headers=owner).status_code == 200
    assert post(both, headers=owner, w=321).status_code == 400  # not on the ladder of sizes


def test_a_host_that_is_not_allowed_is_refused(make_client):
    assert post(make_client(allowed_targets="example.org")).json["code"] == "forbidden_host"


def test_it_may_wait_for_a_time_or_prefer_a_job(client, api):
    api.latency = 0.5
    assert post(client, wait=0).status_code == 202
    asynchronous = post(client, url="https://example.org/", headers={"Prefer": "respond-async"})

    assert (asynchronous.status_code, asynchronous.headers["Preference-Applied"]) == (202, "respond-async")
    assert asynchronous.json["job_id"]

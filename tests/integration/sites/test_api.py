"""`/sites`, the catalogue as JSON, on SQLite and on PostgreSQL."""

from datetime import UTC, datetime

from tests.support.databases import ON_SQLITE

URL = "https://example.com/"
KEY = {"X-API-Key": "correct-horse"}


def add(client, url=URL, **more):
    return client.post("/sites", json={"url": url, **more})


def test_a_site_is_added_and_read(client):
    response = add(
        client,
        "https://EXAMPLE.com",
        title=" An  example ",
        note="for tests",
        tags=["News", "b"],
        options={"device": "iphone-14", "full_page": False},
        schedule="weekly",
        keep="1 year",
    )

    assert (response.status_code, response.headers["Location"]) == (201, "/sites/1")
    site = response.json
    assert client.get("/sites/1").json == site
    assert (site["url"], site["title"], site["tags"]) == ("https://example.com/", "An example", ["b", "news"])
    assert (site["options"], site["schedule"], site["keep"]) == ({"device": "iphone-14"}, "weekly", "1 year")
    assert (site["status"], site["paused"], site["picture"], site["captured_at"]) == ("pending", False, None, None)
    assert site["image"] == "http://localhost/sites/1/image"
    assert abs((datetime.fromisoformat(site["due_at"]) - datetime.now(UTC)).total_seconds()) < 60


@ON_SQLITE
def test_a_site_that_is_not_to_be_captured_is_not_due(client):
    assert add(client, schedule="never", capture=False).json["due_at"] is None


WRONG_BODIES = [
    ({}, "url", "invalid_url"),
    ({"url": "example.com"}, "url", "invalid_url"),
    ({"url": "http://127.0.0.1/"}, "url", "blocked_url"),
    ({"url": "http://localhost/"}, "url", "blocked_url"),
    ({"url": 5}, "url", "invalid_url"),
    ({"url": URL, "title": 5}, "title", "invalid_option"),
    ({"url": URL, "title": "x" * 501}, "title", "invalid_option"),
    ({"url": URL, "title": "\ud800"}, "title", "invalid_option"),
    ({"url": URL, "tags": "news"}, "tags", "invalid_option"),
    ({"url": URL, "tags": ["x" * 41]}, "tags", "invalid_option"),
    ({"url": URL, "options": {"w": 320}}, "options.w", "invalid_option"),
    ({"url": URL, "options": {"width": 5}}, "options.width", "invalid_option"),
    ({"url": URL, "options": {"cookies": []}}, "options.cookies", "invalid_option"),
    ({"url": URL, "options": {"clip": "0,0,1,1", "selector": "a"}}, "options.clip", "invalid_option"),
    ({"url": URL, "options": []}, "options", "invalid_option"),
    ({"url": URL, "schedule": "often"}, "schedule", "invalid_option"),
    ({"url": URL, "keep": "some"}, "keep", "invalid_option"),
    ({"url": URL, "paused": "no"}, "paused", "invalid_option"),
    ({"url": URL, "capture": "no"}, "capture", "invalid_option"),
    ({"url": URL, "status": "ready"}, "status", "invalid_option"),
    ({"url": URL, "sites": []}, "url", "invalid_option"),
    ({"sites": []}, "sites", "invalid_option"),
    ({"sites": {}}, "sites", "invalid_option"),
    ({"sites": [{"url": URL}] * 1001}, "sites", "invalid_option"),
    ([], "", "invalid_option"),
    ("x", "", "invalid_option"),
]


@ON_SQLITE
def test_a_wrong_field_is_refused_by_its_name(client):
    for body, field, code in WRONG_BODIES:
        response = client.post("/sites", json=body)

        assert (response.status_code, response.json["code"]) == (400, code)
        assert response.json["detail"].startswith(f"{field}: " if field else "must be a JSON object")
        assert client.get("/sites").json["total"] == 0


def test_a_url_is_added_once(client):
    add(client)
    response = add(client, "https://example.com/#top")

    assert (response.status_code, response.json["code"]) == (409, "site_exists")
    assert response.json["detail"].startswith("url: ")


def test_many_sites_are_added_at_once_and_each_refusal_names_its_index(client):
    add(client)
    response = client.post(
        "/sites",
        json={
            "sites": [
                {"url": "https://a.example/", "title": "A"},
                {"url": "http://10.0.0.1/"},
                {"url": URL},
                {"url": "https://b.example/", "tags": "x"},
                "https://c.example/",
                {"url": "https://a.example/"},
                {"url": "https://d.example/"},
            ],
            "capture": False,
        },
    )

    assert (response.status_code, response.json["added"], response.json["refused"]) == (201, 2, 5)
    results = response.json["sites"]
    assert [each.get("url") or each["error"]["code"] for each in results] == [
        "https://a.example/",
        "blocked_url",
        "site_exists",
        "invalid_option",
        "invalid_option",
        "site_exists",
        "https://d.example/",
    ]
    fields = [each["error"]["detail"].partition(":")[0] for each in results if "error" in each]
    assert fields == ["sites[1].url", "sites[2].url", "sites[3].tags", "sites[4]", "sites[5].url"]


@ON_SQLITE
def test_where_every_site_is_refused_nothing_is_added(client):
    response = client.post("/sites", json={"sites": [{"url": "x"}, {}]})

    assert (response.status_code, response.json["added"], response.json["refused"]) == (200, 0, 2)
    assert client.get("/sites").json["total"] == 0


def test_a_thousand_sites_are_added_at_once(client):
    sites = [{"url": f"https://s{number}.example/", "note": "x" * 500} for number in range(1000)]

    response = client.post("/sites", json={"sites": sites, "capture": False})

    assert (response.status_code, response.json["added"]) == (201, 1000)
    assert client.get("/sites").json["total"] == 1000


@ON_SQLITE
def test_a_repeated_request_with_the_same_key_adds_nothing_again(client):
    responses = [
        client.post("/sites", json={"url": URL}, headers={"Idempotency-Key": "an-import-of-mine"}) for _ in range(2)
    ]

    assert [response.status_code for response in responses] == [201, 201]
    assert responses[0].json == responses[1].json


def test_a_field_is_changed_and_the_others_stay(client):
    site = add(client, title="Before", tags=["x"]).json

    changed = client.patch("/sites/1", json={"title": "After"})

    assert changed.status_code == 200
    expected = site | {"title": "After", "revision": 2, "updated_at": changed.json["updated_at"]}
    assert changed.json == expected
    assert client.get("/sites/1").json == expected


@ON_SQLITE
def test_a_site_whose_target_is_no_longer_allowed_can_still_be_paused(make_client):
    add(make_client())
    strict = make_client(allowed_targets=("example.org",))

    assert strict.patch("/sites/1", json={"paused": True}).json["paused"] is True
    refused = strict.patch("/sites/1", json={"options": {"full_page": True}})
    assert (refused.status_code, refused.json["code"]) == (403, "forbidden_host")


def test_options_are_replaced_as_a_whole(client):
    add(client, options={"device": "iphone-14", "full_page": "true"})

    changed = client.patch("/sites/1", json={"options": {"scale": 2}})
    assert changed.json["options"] == {"scale": "2"}
    assert client.patch("/sites/1", json={"options": {}}).json["options"] == {}


def test_the_url_of_another_site_is_refused(client):
    add(client)
    add(client, "https://example.org/")

    response = client.patch("/sites/2", json={"url": URL})
    assert (response.status_code, response.json["code"]) == (409, "site_exists")


def test_a_second_editor_is_told_of_the_first(client):
    tag = add(client).headers["ETag"]
    first = client.patch("/sites/1", json={"title": "first"}, headers={"If-Match": tag})
    second = client.patch("/sites/1", json={"title": "second"}, headers={"If-Match": tag})
    removal = client.delete("/sites/1", headers={"If-Match": tag})

    assert first.status_code == 200
    for refused in (second, removal):
        assert (refused.status_code, refused.json["code"]) == (412, "revision_conflict")
    assert client.get("/sites/1").json["title"] == "first"
    again = client.patch("/sites/1", json={"title": "second"}, headers={"If-Match": first.headers["ETag"]})
    assert again.json["title"] == "second"


TAGS = ['"x"', '""', "*", '"1-abc"', 'W/"1-abc"']


def test_only_a_tag_of_another_revision_hinders_a_change(client):
    for number, tag in enumerate(TAGS, 1):
        add(client, f"https://s{number}.example/")
        expected = 412 if tag in ('"x"', '""') else 200
        assert client.patch(f"/sites/{number}", json={"title": "x"}, headers={"If-Match": tag}).status_code == expected


@ON_SQLITE
def test_several_tags_are_refused(client):
    add(client)
    response = client.patch("/sites/1", json={"title": "x"}, headers={"If-Match": '"1-a", "2-b"'})
    assert (response.status_code, response.json["detail"][:9]) == (400, "If-Match:")


@ON_SQLITE
def test_a_reader_that_has_the_same_site_gets_304(client):
    tag = add(client).headers["ETag"]

    assert client.get("/sites/1", headers={"If-None-Match": tag}).status_code == 304
    client.patch("/sites/1", json={"title": "x"})
    assert client.get("/sites/1", headers={"If-None-Match": tag}).status_code == 200


def test_a_site_is_removed(client):
    add(client)

    assert client.delete("/sites/1").status_code == 204
    for response in (client.get("/sites/1"), client.delete("/sites/1"), client.patch("/sites/1", json={"title": "x"})):
        assert (response.status_code, response.json["code"]) == (404, "not_found")


NO_IDS = ["0", "2147483648", "99999999999999999999", "007"]


def test_a_number_that_is_no_id_is_not_found(client):
    for id_ in NO_IDS:
        for path in (f"/sites/{id_}", f"/sites/{id_}/image", f"/sites/{id_}/versions/1/image"):
            assert client.get(path).status_code == 404
        assert client.post(f"/sites/{id_}/capture").status_code == 404


def test_a_capture_is_requested(client):
    add(client, schedule="never", capture=False)

    response = client.post("/sites/1/capture")

    assert (response.status_code, response.headers["Location"]) == (202, "/sites/1")
    assert response.json["due_at"] is not None


def test_sites_are_listed_in_pages(client):
    for name in "abc":
        add(client, f"https://{name}.example/", title=name, tags=["x", name])

    first = client.get("/sites?sort=title&limit=2").json
    second = client.get(f"/sites?sort=title&limit=2&cursor={first['next']}").json
    back = client.get(f"/sites?sort=title&limit=2&cursor={second['previous']}").json

    assert [site["title"] for site in first["sites"]] == ["a", "b"]
    assert [site["title"] for site in second["sites"]] == ["c"]
    assert (first["previous"], second["next"], first["total"]) == (None, None, 3)
    assert back["sites"] == first["sites"]
    found = client.get("/sites?tag=x&tag=b&text=B&status=pending&host=b.example").json["sites"]
    assert [site["title"] for site in found] == ["b"]
    assert client.get("/sites?changed_since=2026-01-01").json["sites"] == []
    assert client.get("/sites/tags").json["tags"][0] == {"tag": "x", "sites": 3}


WRONG_FILTERS = [
    ("status=good", "status"),
    ("sort=size", "sort"),
    ("limit=0", "limit"),
    ("limit=101", "limit"),
    ("limit=%D9%A1", "limit"),
    ("cursor=x", "cursor"),
    ("changed_since=yesterday", "changed_since"),
    ("changed_since=0001-01-01T00:00:00%2B14:00", "changed_since"),
    ("text=%00", "text"),
    ("text=" + "x" * 501, "text"),
    ("text=%FF", "text"),
    ("tag=a&" * 21 + "tag=b", "tag"),
    ("host=a&host=b", "host"),
    ("page=2", "page"),
]


@ON_SQLITE
def test_a_wrong_filter_is_refused_by_its_name(client):
    for query, field in WRONG_FILTERS:
        response = client.get(f"/sites?{query}")

        assert response.status_code == 400
        assert response.json["detail"].startswith(f"{field}: ")


def test_text_that_no_site_could_have_finds_none(client):
    add(client)
    assert client.get("/sites?text=%ED%A0%80").status_code == 400  # a lone surrogate
    assert client.get("/sites?text=%F0%9F%A6%89").json["total"] == 0


@ON_SQLITE
def test_where_keys_are_set_the_catalogue_needs_one(make_client):
    client = make_client(api_keys=("cms:correct-horse",))

    for response in (
        add(client),
        client.get("/sites"),
        client.get("/sites/1"),
        client.patch("/sites/1", json={}),
        client.delete("/sites/1"),
        client.post("/sites/1/capture"),
        client.get("/sites/tags"),
    ):
        assert (response.status_code, response.json["code"]) == (401, "key_required")
    assert client.post("/sites", json={"url": URL}, headers=KEY).status_code == 201
    assert client.get("/sites/1", headers=KEY).status_code == 200


@ON_SQLITE
def test_answers_are_not_kept_by_shared_caches(client):
    add(client)
    assert client.get("/sites").headers["Cache-Control"] == "private, no-cache"

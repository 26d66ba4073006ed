"""The history of a site over HTTP: its versions, what differs between them, and which one is shown."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from PIL import Image

import images.decode
from sites import SiteDraft
from sites.claims import Claims
from tests.support.catalogue import page
from tests.support.databases import ON_SQLITE

IMAGE = {"Accept": "image/avif,image/webp,image/*;q=0.8"}


@pytest.fixture
def history(built):
    """A site with three versions, which differ by a black square of 0, 50 and 100 pixels."""
    built.catalogue.add(SiteDraft("https://example.com/"))
    claims = Claims(built.database, timedelta(minutes=3), timedelta(days=1))
    recorder = built.site_capturer.recorder
    for mark in (0, 50, 100):
        built.catalogue.request_capture([1])
        (claim,) = claims.claim_due(10)
        site, claim = claims.begin(claim)
        recorder.record(claim, site, page(mark))
    return built


def shows_square(client):
    """Return whether the site's picture has the black square of version 2 or 3."""
    picture = Image.open(io.BytesIO(client.get("/sites/1/image").data)).convert("RGB")
    return picture.getpixel((120, 120)) == (0, 0, 0)


def test_versions_are_listed_in_pages_the_newest_first(client, history):
    first = client.get("/sites/1/versions?limit=2").json
    second = client.get(f"/sites/1/versions?limit=2&cursor={first['next']}").json

    assert [version["number"] for version in first["versions"]] == [3, 2]
    assert [version["number"] for version in second["versions"]] == [1]
    assert second["next"] is None
    newest = first["versions"][0]
    assert newest == client.get("/sites/1/versions/3").json
    assert newest == client.get("/sites/1").json["picture"]
    assert 0 < newest["change"] < 100
    assert newest["region"]["left"] <= 100
    assert newest["image"] == "http://localhost/sites/1/versions/3/image"
    assert client.get("/sites/1/versions/2/image").status_code == 200


def test_versions_and_their_pictures_say_which_api_took_them(client, built):
    built.catalogue.add(SiteDraft("https://example.com/"))
    claims = Claims(built.database, timedelta(minutes=3), timedelta(days=1))
    for mark, api in ((0, "engine"), (50, "snapsharp")):
        built.catalogue.request_capture([1])
        (claim,) = claims.claim_due(10)
        site, claim = claims.begin(claim)
        built.site_capturer.recorder.record(claim, site, replace(page(mark), captured_by=api))

    versions = client.get("/sites/1/versions").json["versions"]
    assert [version["captured_by"] for version in versions] == ["snapsharp", "engine"]
    for path, api in (("", "snapsharp"), ("/versions/1", "engine")):
        for _ in range(2):  # made, and from the cache
            assert client.get(f"/sites/1{path}/image?w=100").headers["X-Captured-By"] == api
    client.put("/sites/1/picture", data=page(100).body, content_type="image/png")
    assert client.get("/sites/1").json["picture"]["captured_by"] is None
    assert "X-Captured-By" not in client.get("/sites/1/image").headers


def test_the_difference_of_two_versions_is_told_and_drawn(client, history):
    told = client.get("/sites/1/diff?from=1&to=3")
    drawn = client.get("/sites/1/diff?from=1&to=3", headers=IMAGE)

    body = told.json
    assert (body["from"]["number"], body["to"]["number"]) == (1, 3)
    assert 5 < body["change"] < 15
    region = body["region"]
    assert 92 <= region["left"] <= 100
    assert 200 <= region["left"] + region["width"] <= 208
    assert (drawn.status_code, drawn.content_type) == (200, "image/png")
    assert Image.open(io.BytesIO(drawn.data)).size == (400, 300)
    assert client.get(body["image"].removeprefix("http://localhost")).data == drawn.data
    assert "Accept" in told.headers["Vary"]
    assert client.get("/sites/1/diff?from=2&to=2").json["change"] == 0


@ON_SQLITE
def test_a_wrong_question_about_the_history_is_refused_by_its_name(client, history):
    for path, field in [
        ("diff", "from"),
        ("diff?from=1", "to"),
        ("diff?from=x&to=1", "from"),
        ("diff?from=1&to=99999999999", "to"),
        ("diff?from=1&to=2&format=pdf", "format"),
        ("diff?from=1&to=2&w=5", "w"),
        ("versions?limit=101", "limit"),
        ("versions?cursor=x", "cursor"),
        ("versions?page=2", "page"),
    ]:
        response = client.get(f"/sites/1/{path}")
        assert (response.status_code, response.json["detail"].partition(":")[0]) == (400, field), path
    for path in ("/sites/1/diff?from=1&to=9", "/sites/1/versions/9", "/sites/2/versions", "/sites/2/versions/1"):
        assert client.get(path).status_code == 404


def test_another_version_is_shown_until_the_choice_is_taken_back(client, history):
    assert shows_square(client)
    pinned = client.put("/sites/1/picture", json={"version": 1})

    assert (pinned.json["pinned"], pinned.json["picture"]["number"]) == (True, 1)
    assert not shows_square(client)
    shown = client.delete("/sites/1/picture").json
    assert (shown["pinned"], shown["picture"]["number"]) == (False, 3)
    assert shows_square(client)


def test_a_picture_can_be_uploaded_in_place_of_a_capture(client, history):
    body = page(background="#000000").body
    uploaded = client.put("/sites/1/picture", data=body, content_type="image/png")

    assert (uploaded.status_code, uploaded.json["uploaded"]) == (200, True)
    assert uploaded.json["picture"]["uploaded"] is True
    assert client.get("/sites/1/image").status_code == 200
    assert shows_square(client)


@pytest.mark.parametrize(
    ("mode", "format_"), [("1", "PNG"), ("P", "PNG"), ("LA", "PNG"), ("I;16", "PNG"), ("CMYK", "JPEG"), ("P", "AVIF")]
)
def test_pictures_of_all_kinds_can_be_uploaded_and_compared(client, history, mode, format_):
    body = io.BytesIO()
    Image.new(mode, (400, 300)).save(body, format_)
    uploaded = client.put("/sites/1/picture", data=body.getvalue(), content_type=f"image/{format_.lower()}")

    assert uploaded.status_code == 200, uploaded.json
    assert client.get("/sites/1/image?w=50&format=jpeg").status_code == 200
    assert client.get("/sites/1/diff?from=1&to=4").json["change"] == 100
    assert client.get("/sites/1/diff?from=1&to=4", headers=IMAGE).content_type == "image/png"


def test_pictures_of_other_shapes_are_compared(client, history):
    """30,000 pixels to the right and 30,000 downwards would be a drawing of 900 million pixels."""
    for size in ((30_000, 100), (100, 30_000)):
        body = io.BytesIO()
        Image.new("RGB", size).save(body, "PNG")
        assert client.put("/sites/1/picture", data=body.getvalue(), content_type="image/png").status_code == 200

    drawn = client.get("/sites/1/diff?from=4&to=5", headers=IMAGE)
    width, height = Image.open(io.BytesIO(drawn.data)).size
    assert width * height <= 17 << 20
    assert client.get("/sites/1/diff?from=4&to=5").json["change"] > 99


@ON_SQLITE
def test_an_upload_with_too_many_pixels_is_told_how_many_it_may_have(client, history):
    for size, format_, most in (((8200, 8200), "PNG", 67108864), ((16383, 1400), "WEBP", 16777216)):
        body = io.BytesIO()
        Image.new("RGB", size).save(body, format_, **({"method": 0} if format_ == "WEBP" else {}))
        answer = client.put("/sites/1/picture", data=body.getvalue(), content_type="image/png")
        assert (answer.status_code, answer.json["detail"]) == (
            400,
            f"picture: must have at most {most} pixels in this format",
        )


@ON_SQLITE
def test_a_photograph_with_a_second_picture_can_be_uploaded(client, history):
    body, photograph = io.BytesIO(), Image.new("RGB", (400, 300), "navy")
    photograph.save(body, "MPO", save_all=True, append_images=[photograph])
    assert client.put("/sites/1/picture", data=body.getvalue(), content_type="image/jpeg").status_code == 200
    assert client.get("/sites/1/image").content_type.startswith("image/")


@ON_SQLITE
def test_a_version_with_more_pixels_than_it_may_have_now_is_not_compared(client, history, monkeypatch):
    body = io.BytesIO()
    Image.new("RGB", (400, 300), "navy").save(body, "WEBP")
    assert client.put("/sites/1/picture", data=body.getvalue(), content_type="image/webp").status_code == 200
    monkeypatch.setattr(images.decode, "MOST_DECODING", 400 * 300)
    answer = client.get("/sites/1/diff?from=1&to=4")
    assert (answer.status_code, answer.json["detail"].partition(":")[0]) == (400, "from, to")


def test_a_second_editor_of_the_picture_is_told_of_the_first(client, history):
    tag = {"If-Match": client.get("/sites/1").headers["ETag"]}
    client.patch("/sites/1", json={"title": "first"})

    for answer in (
        client.put("/sites/1/picture", json={"version": 1}, headers=tag),
        client.put("/sites/1/picture", data=page().body, content_type="image/png", headers=tag),
        client.delete("/sites/1/picture", headers=tag),
    ):
        assert (answer.status_code, answer.json["code"]) == (412, "revision_conflict")
    assert client.get("/sites/1").json["revision"] == 2
    tag = {"If-Match": client.get("/sites/1").headers["ETag"]}
    assert client.put("/sites/1/picture", json={"version": 1}, headers=tag).status_code == 200


@ON_SQLITE
def test_what_is_no_picture_is_not_shown(client, history):
    for body, kind in [
        (b"GIF89a", "image/gif"),
        (b"", "image/png"),
        (page().body[:-20], "image/png"),
        (b"%PDF-1.4", "application/pdf"),
    ]:
        response = client.put("/sites/1/picture", data=body, content_type=kind)
        assert (response.status_code, response.json["detail"].partition(":")[0]) == (400, "picture")
    for choice in ({"version": "1"}, {"version": True}, {}, {"version": 0}, [1]):
        assert client.put("/sites/1/picture", json=choice).status_code == 400
    assert client.put("/sites/1/picture", json={"version": 9}).status_code == 404
    large = client.put("/sites/1/picture", data=b"\x89PNG" + bytes(9 << 20), content_type="image/png")
    assert large.status_code == 413


@ON_SQLITE
def test_where_keys_are_set_the_history_needs_one_and_its_pictures_do_not(make_client, history):
    client = make_client(api_keys=("cms:correct-horse",))

    for response in (
        client.get("/sites/1/versions"),
        client.get("/sites/1/versions/1"),
        client.get("/sites/1/diff?from=1&to=2"),
        client.put("/sites/1/picture", json={"version": 1}),
        client.delete("/sites/1/picture"),
    ):
        assert (response.status_code, response.json["code"]) == (401, "key_required")
    assert client.get("/sites/1/versions/1/image").status_code == 200
    assert client.get("/sites/1/diff?from=1&to=2", headers=IMAGE).status_code == 200


@ON_SQLITE
def test_a_difference_is_charged_as_a_new_rendition(make_client, history):
    client = make_client(rendition_limit="2 per hour")
    assert [client.get("/sites/1/diff?from=1&to=2").status_code for _ in range(3)] == [200, 200, 429]

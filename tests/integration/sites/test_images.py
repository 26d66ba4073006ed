"""`/sites/{id}/image`, an `<img>` that is always there, on SQLite and on PostgreSQL."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image
from sqlalchemy import event

from app import create_app
from images.placeholder import draw
from model import Picture
from sites import SiteDraft, SiteImage
from sites.models import SiteRow, VersionRow
from tests.support.databases import ON_SQLITE
from thumbnails.ask import NoCharge

IMAGE = "/sites/1/image?w=160&format=webp"


def png(colour, size=(400, 300)):
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def show(built, colour, number=1, site_id=1):
    """Let a capture of the site have been recorded, as version `number`."""
    now = datetime.now(UTC)
    stored = built.storage.put(Picture(png(colour), "image/png", 400, 300, now))

    def write(session):
        session.add(
            VersionRow(
                site_id=site_id, number=number, key=stored.key, content_type="image/png", width=400, height=300, size=1,
                captured_at=now, seen_at=now, change=0, colour="", uploaded=False,
            )
        )  # fmt: skip
        row = session.get(SiteRow, site_id)
        row.status, row.latest_number, row.picture_number = "ready", number, number
        row.captured_at = row.changed_at = now

    built.database.write(write)
    built.site_pictures.changed(site_id)


@pytest.fixture
def built(built):
    built.catalogue.add(SiteDraft("https://example.com/"))
    return built


@pytest.fixture
def statements(built):
    """The SQL that is executed."""
    found = []
    event.listen(built.database._engine, "before_cursor_execute", lambda *args: found.append(args[2]))
    return found


def colour_of(response):
    assert response.status_code == 200, response.text
    return Image.open(io.BytesIO(response.data)).convert("RGB").getpixel((5, 5))


def is_reddish(colour):
    return colour[0] > 200 and colour[2] < 60


def is_bluish(colour):
    return colour[2] > 200 and colour[0] < 60


@ON_SQLITE
def test_a_site_without_a_picture_shows_a_neutral_one_of_the_size_that_was_asked_for(client):
    response = client.get("/sites/1/image?w=320")

    assert (response.status_code, response.content_type) == (200, "image/png")
    assert (response.headers["X-Thumb-State"], response.headers["Cache-Control"]) == ("pending", "no-store")
    assert Image.open(io.BytesIO(response.data)).size == (320, 180)
    assert Image.open(io.BytesIO(client.get("/sites/1/image").data)).size == (640, 360)


@ON_SQLITE
def test_until_there_is_a_picture_the_host_is_named(client, built):
    built.catalogue.add(SiteDraft("https://shop.example:8443/a"))

    assert client.get("/sites/1/image?w=320").data == draw(320, 180, "pending", "example.com", "being captured")
    assert client.get("/sites/2/image?w=320").data == draw(320, 180, "pending", "shop.example:8443", "being captured")


@ON_SQLITE
def test_a_site_that_could_not_be_captured_says_why(client, built):
    def fail(session):
        row = session.get(SiteRow, 1)
        row.status, row.failure_code, row.failure_message = "failed", "page_timeout", "the page takes too long"
        row.failure_since, row.failure_count = datetime.now(UTC), 1

    built.database.write(fail)
    failed = client.get("/sites/1/image?w=320")

    assert (failed.status_code, failed.headers["Cache-Control"]) == (200, "no-store")
    assert (failed.headers["X-Thumb-State"], failed.headers["X-Error-Code"]) == ("error", "page_timeout")
    assert "Server-Timing" not in failed.headers  # so that thumbs.js lets it be
    assert failed.data == draw(320, 180, "error", "example.com", "does not answer in time")
    show(built, "red")
    assert is_reddish(colour_of(client.get(IMAGE)))


def test_a_site_that_there_is_not_is_not_found(client):
    response = client.get("/sites/2/image")
    assert (response.status_code, response.json["code"]) == (404, "not_found")
    in_a_page = client.get("/sites/2/image?w=100", headers={"Accept": "image/avif,image/*,*/*;q=0.8"})
    assert (in_a_page.status_code, in_a_page.content_type) == (404, "image/png")


def test_the_picture_is_served_in_every_size_and_format(client, built):
    show(built, "red")

    for query, size, kind in [("w=160&format=webp", (160, 120), "WEBP"), ("w=100&h=100", (100, 100), "PNG"),
                              ("format=jpeg", (400, 300), "JPEG"), ("", (400, 300), "PNG")]:  # fmt: skip
        response = client.get(f"/sites/1/image?{query}")
        picture = Image.open(io.BytesIO(response.data))
        assert (picture.size, picture.format) == (size, kind)
        assert is_reddish(colour_of(response))
        assert response.headers["X-Cache"] == "MISS"
        assert client.get(f"/sites/1/image?{query}").headers["X-Cache"] == "HIT"
    automatic = client.get("/sites/1/image?format=auto&w=80", headers={"Accept": "image/avif,image/webp,*/*"})
    assert (automatic.content_type, automatic.headers["Vary"]) == ("image/avif", "Accept")


def test_a_hit_needs_no_sql_and_no_flask(client, built, statements):
    show(built, "red")
    first = client.get(IMAGE)
    statements.clear()

    hit = client.get(IMAGE)

    assert (hit.data, hit.headers["ETag"], hit.headers["X-Cache"]) == (first.data, first.headers["ETag"], "HIT")
    assert hit.headers["Cache-Control"].startswith("public, max-age=60")
    assert client.get(IMAGE, headers={"If-None-Match": hit.headers["ETag"]}).status_code == 304
    assert client.head(IMAGE).headers["Content-Length"] == str(len(hit.data))
    assert statements == []


def test_another_version_is_shown_at_once_also_an_older_one(client, built):
    show(built, "red")
    assert is_reddish(colour_of(client.get(IMAGE)))
    show(built, "blue", 2)
    assert is_bluish(colour_of(client.get(IMAGE)))

    def pin(session):
        session.get(SiteRow, 1).picture_number = 1

    built.database.write(pin)
    built.site_pictures.changed(1)
    assert is_reddish(colour_of(client.get(IMAGE)))
    assert client.get(IMAGE).headers["X-Cache"] == "HIT"


def test_a_capture_while_the_picture_is_being_made_is_not_hidden_by_it(built):
    """A rendition of the version before that is finished afterwards counts as outdated."""
    show(built, "red")
    image = SiteImage.of(1)
    read = built.storage.read

    class Storage:
        def read(self, key):
            body = read(key)
            if not seen:
                seen.append(key)
                show(built, "blue", 2)
            return body

    seen = []
    built.site_pictures._storage = Storage()
    built.site_pictures.get(image, NoCharge())

    assert built.site_pictures.hit(image) is None
    assert is_bluish(
        Image.open(io.BytesIO(built.site_pictures.get(image, NoCharge()).body)).convert("RGB").getpixel((5, 5))
    )


def test_each_version_has_a_picture_of_its_own(client, built):
    show(built, "red")
    show(built, "blue", 2)

    assert is_reddish(colour_of(client.get("/sites/1/versions/1/image")))
    second = client.get("/sites/1/versions/2/image?w=100&format=webp")
    assert is_bluish(colour_of(second))
    assert "max-age=86400" in second.headers["Cache-Control"]
    assert client.get("/sites/1/versions/3/image").status_code == 404


def test_the_pictures_of_a_removed_site_are_gone(client, built):
    show(built, "red")
    paths = [IMAGE, "/sites/1/versions/1/image?w=100"]
    assert [client.get(path).status_code for path in paths] == [200, 200]

    assert client.delete("/sites/1").status_code == 204
    assert [client.get(path).status_code for path in paths] == [404, 404]


WRONG_OPTIONS = [
    ("w=5", "w: must be"),
    ("format=pdf", "format: must be"),
    ("full_page=1", "full_page: is not an option; only the picture's size and format can be chosen"),
    ("width=500", "width: is not an option"),
    ("w=100&w=200", "w: is set 2 times"),
    ("quality=0", "quality: must be"),
    ("version=3", "version: is not an option"),
]


@ON_SQLITE
def test_a_wrong_option_is_refused_by_its_name(client):
    for query, detail in WRONG_OPTIONS:
        response = client.get(f"/sites/1/image?{query}")
        assert response.status_code == 400
        assert response.json["detail"].startswith(detail)


@ON_SQLITE
def test_only_sizes_of_the_ladder_are_served(built):
    client = create_app(
        built.settings, replace(built, access=replace(built.access, sizes=frozenset({(320, None)})))
    ).test_client()
    show(built, "red")

    assert client.get("/sites/1/image?w=320").status_code == 200
    assert client.get("/sites/1/image?w=321").json["detail"].startswith("w, h: must be one of 320")


@ON_SQLITE
def test_where_urls_are_signed_pictures_of_sites_need_a_key_or_a_public_gallery(make_client, built):
    show(built, "red")
    signed = {"signing_keys": ("a-secret-of-the-tests",), "api_keys": ("cms:correct-horse",)}
    client = make_client(**signed)
    path = "/sites/1/image?w=320"

    assert client.get(path).json["code"] == "key_required"
    with_key = client.get(path, headers={"X-API-Key": "correct-horse"})
    assert with_key.status_code == 200
    assert with_key.headers["Cache-Control"].startswith("private")
    assert client.get(path).status_code == 401, "the fast path knows of it too"
    assert make_client(**signed, gallery_public=True).get(path).status_code == 200


def test_without_the_database_known_pictures_go_on_and_others_say_so(client, built, make_client):
    show(built, "red")
    known = client.get(IMAGE)
    cut_off = make_client(database_url="postgresql://thumbs@127.0.0.1:9/none")

    assert cut_off.get(IMAGE).data == known.data
    unknown = cut_off.get("/sites/1/image?w=200")
    assert (unknown.status_code, unknown.json["code"]) == (503, "database_unavailable")
    assert unknown.headers["Retry-After"] == "10"
    for response in (cut_off.post("/sites", json={"url": "https://example.org/"}), cut_off.get("/sites")):
        assert (response.status_code, response.json["code"]) == (503, "database_unavailable")
    assert cut_off.get("/thumb?url=https://example.org/&w=100").status_code == 200
    assert client.get("/sites").json["total"] == 1


@ON_SQLITE
def test_without_redis_the_picture_is_made_each_time(built, make_client):
    show(built, "red")
    client = make_client(redis_url="redis://127.0.0.1:9/0")

    assert [client.get(IMAGE).headers["X-Cache"] for _ in range(2)] == ["MISS", "MISS"]


@ON_SQLITE
def test_a_site_whose_picture_is_lost_shows_a_neutral_one(client, built, settings):
    show(built, "red")
    for path in settings["persist_dir"].rglob("*.png"):
        path.unlink()

    assert client.get(IMAGE).headers["X-Thumb-State"] == "pending"
    assert client.get("/sites/1/versions/1/image").status_code == 404


@ON_SQLITE
def test_new_renditions_are_charged(make_client, built):
    show(built, "red")
    client = make_client(rendition_limit="2 per hour")

    statuses = [client.get(f"/sites/1/image?w={width}&format=webp").status_code for width in (50, 60, 70, 50)]
    assert statuses == [200, 200, 429, 200]


@ON_SQLITE
def test_a_site_is_captured_as_people_look_if_its_schedule_says_so(client, built):
    def due():
        built.site_views._made.clear()
        built.site_views.flush()
        return built.catalogue.get(1).due_at is not None

    def age(days):
        def write(session):
            row = session.get(SiteRow, 1)
            row.captured_at, row.due_at = datetime.now(UTC) - timedelta(days=days), None

        built.database.write(write)

    show(built, "red")
    built.catalogue.change(1, {"schedule": "viewed"})
    for days, path, expected in [
        (0, IMAGE, False),
        (2, "/sites/1/versions/1/image", False),
        (2, IMAGE, True),  # a hit
        (2, "/sites/1/image?w=300", True),
    ]:
        age(days)
        assert not due()
        assert client.get(path).status_code == 200
        assert due() is expected, (days, path)
    age(2)
    client.get(IMAGE)
    built.site_views.flush()
    assert not due(), "a site whose captures fail is not captured again at each view"
    built.catalogue.change(1, {"schedule": "never"})
    age(2)
    client.get(IMAGE)
    assert not due()

"""`GET /sites/export`, on SQLite and on PostgreSQL."""

import csv
import io
import re
import zipfile
from datetime import UTC, datetime

import pytest
from PIL import Image

from images import CpuPool
from sites import SiteDraft, VersionStore
from sites.exports import gallery
from sites.history import History
from tests.support.catalogue import page
from tests.support.databases import ON_SQLITE


@pytest.fixture
def catalogue(built):
    return built.catalogue


@pytest.fixture
def history(built):
    return History(VersionStore(built.database, built.storage, CpuPool(1)))


def export(client, **query):
    answer = client.get("/sites/export", query_string=query)
    assert answer.status_code == 200, answer.json
    return answer


def table(client, **query):
    return list(csv.DictReader(io.StringIO(export(client, **query).data.decode("utf-8-sig"))))


FULL = SiteDraft(
    "https://a.example.com/?x=1,2",
    'A "title", größer',
    "a note\nof two lines",
    ("news", "read later"),
    {"device": "iphone-14", "full_page": "true"},
    "12h",
    "1 year",
    paused=True,
)


def test_a_table_that_is_exported_imports_as_it_was(client, catalogue):
    catalogue.add_many([FULL, SiteDraft("https://b.example.com/", "'=1+1"), SiteDraft("https://c.example.com/", "-x")])
    exported = export(client)
    assert exported.content_type == "text/csv; charset=utf-8"
    assert exported.headers["Content-Disposition"] == 'attachment; filename="sites.csv"'
    report = client.post("/sites/import", data=exported.data, content_type=exported.content_type).json
    assert (report["unchanged"], report["ignored_columns"]) == (3, ["status", "failure", "captured_at", "changed_at"])

    for site in (before := {site.url: site for site in _all(catalogue)}).values():
        catalogue.remove(site.id)
    client.post("/sites/import", data=exported.data)
    after = {site.url: site for site in _all(catalogue)}
    for name in ("title", "note", "tags", "options", "schedule", "keep", "paused"):
        assert {url: getattr(site, name) for url, site in after.items()} == {
            url: getattr(site, name) for url, site in before.items()
        }


@pytest.mark.parametrize("separator", [",", ";", "|"])
def test_no_tag_has_in_it_what_separates_tags_of_a_table(client, separator):
    """Else one tag would come back as two."""
    refused = client.post("/sites", json={"url": "https://a.example.com/", "tags": [f"one{separator}two"]})
    assert (refused.status_code, refused.json["detail"]) == (400, "tags: must have no comma, semicolon or bar in a tag")


def test_a_folder_of_bookmarks_loses_what_separates_tags(client, catalogue):
    folder = "<DL><DT><H3>Read; later | soon</H3><DL><DT><A HREF='https://a.example.com/'>A</A></DL></DL>"
    client.post("/sites/import", data=folder, query_string={"kind": "bookmarks"})
    assert catalogue.get(1).tags == ("read later soon",)


def test_the_longest_style_sheet_is_imported_as_it_was_exported(client, catalogue):
    css = "b{content:'\N{GRINNING FACE}'}" + "é" * 65_000
    assert client.post("/sites", json={"url": "https://a.example.com/", "options": {"css": css}}).status_code == 201
    exported = export(client)
    catalogue.remove(1)
    assert client.post("/sites/import", data=exported.data).json["added"] == 1
    assert catalogue.get(2).options["css"] == css


def _all(catalogue):
    return catalogue.sites_with(
        f"https://{end}" for end in ("a.example.com/?x=1,2", "b.example.com/", "c.example.com/")
    ).values()


@ON_SQLITE
@pytest.mark.parametrize("title", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "'=1"])
def test_no_cell_is_a_formula(client, catalogue, title):
    catalogue.add(SiteDraft("https://a.example.com/", title, title, (title,)))
    (row,) = table(client)
    assert row["title"] == row["note"] == f"'{title}"
    assert not [cell for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


def test_all_sites_are_exported_however_many_pages_they_are(client, catalogue):
    catalogue.add_many([SiteDraft(f"https://{n}.example.com/") for n in range(230)])
    assert len(table(client)) == 230
    assert len(export(client, format="json").json["sites"]) == 230


def test_json_has_each_site_as_the_api_shows_it(client, catalogue):
    site = catalogue.add(FULL)
    assert export(client, format="json").json == {"sites": [client.get(f"/sites/{site.id}").json]}


@ON_SQLITE
def test_an_empty_catalogue_exports_empty_files(client):
    assert table(client) == []
    assert export(client, format="json").json == {"sites": []}
    assert sorted(zipfile.ZipFile(io.BytesIO(export(client, format="gallery").data)).namelist()) == [
        "gallery/index.html",
        "gallery/style.css",
    ]


def test_only_what_the_filters_match_is_exported(client, catalogue):
    catalogue.add_many([SiteDraft(f"https://{tag}.example.com/", tags=(tag,)) for tag in ("a", "b")])
    assert [row["url"] for row in table(client, tag="a")] == ["https://a.example.com/"]
    assert [site["url"] for site in export(client, format="json", text="b.ex").json["sites"]] == [
        "https://b.example.com/"
    ]


@ON_SQLITE
@pytest.mark.parametrize(
    ("query", "field"),
    [({"format": "pdf"}, "format"), ({"limit": "5"}, "limit"), ({"x": "1"}, "x"), ({"status": "odd"}, "status")],
)
def test_an_unknown_option_refuses_the_export(client, query, field):
    answer = client.get("/sites/export", query_string=query)
    assert (answer.status_code, answer.json["detail"].partition(":")[0]) == (400, field)


@ON_SQLITE
def test_an_export_needs_a_key(settings, make_client):
    client = make_client(api_keys=("ci:s3cret-s3cret-s3cret",))
    assert client.get("/sites/export").status_code == 401
    assert client.get("/sites/export", headers={"X-API-Key": "s3cret-s3cret-s3cret"}).status_code == 200


@ON_SQLITE
@pytest.mark.parametrize("format_", ["csv", "json", "gallery"])
def test_without_its_database_an_export_has_a_status_of_its_own(make_client, format_):
    answer = make_client(database_url="postgresql://nobody@127.0.0.1:1/none").get(f"/sites/export?format={format_}")
    assert answer.status_code == 503


@pytest.fixture
def archive(client, catalogue, history, monkeypatch):
    """The gallery of three sites, two of them with pictures, in two pages."""
    monkeypatch.setattr(gallery, "CARDS", 2)
    monkeypatch.setattr("sites.exports.exporter.CARDS", 2)
    a, b, _ = catalogue.add_many(
        [
            SiteDraft("https://a.example.com/", "A <b>& O"),
            SiteDraft('https://b.example.com/?"x'),
            SiteDraft("https://c.example.com/"),
        ]
    )
    history.upload(a.id, page(at=datetime(2026, 11, 3, tzinfo=UTC)))
    history.upload(b.id, page(20, at=datetime(2026, 11, 4, tzinfo=UTC), size=(400, 3000)))
    answer = export(client, format="gallery")
    assert (answer.content_type, answer.headers["Content-Disposition"]) == (
        "application/zip",
        'attachment; filename="gallery.zip"',
    )
    return zipfile.ZipFile(io.BytesIO(answer.data))


@ON_SQLITE
def test_a_gallery_is_a_folder_of_pages_and_pictures(archive):
    assert archive.testzip() is None
    names = archive.namelist()
    assert {"gallery/index.html", "gallery/page-2.html", "gallery/style.css"} < set(names)
    pictures = [name for name in names if name.endswith(".webp")]
    assert len(pictures) == 2
    for name in pictures:
        picture = Image.open(io.BytesIO(archive.read(name)))
        assert (picture.format, picture.size) == ("WEBP", (640, 360))


@ON_SQLITE
def test_the_pages_of_a_gallery_refer_to_nothing_but_themselves(archive):
    text = "".join(archive.read(name).decode() for name in archive.namelist() if name.endswith(".html"))
    assert "A &lt;b&gt;&amp; O" in text
    assert "<script" not in text
    assert {f"gallery/{name}" for name in re.findall(r'(?:src|href)="([^":]+)"', text)} <= set(archive.namelist())
    assert len(re.findall(r'<img src="pictures/\d+.webp" width="640" height="360" alt="[^"<]+"', text)) == 2
    assert "Screenshot of a.example.com, captured 3 November 2026" in text
    assert "no picture yet" in text
    assert 'href="page-2.html" rel="next"' in text
    assert 'href="index.html" rel="prev"' in text


@ON_SQLITE
def test_a_picture_that_is_gone_leaves_its_card(client, catalogue, history, built):
    site = catalogue.add(SiteDraft("https://a.example.com/", "A"))
    site = history.upload(site.id, page())
    (built.settings.persist_dir / site.picture.key).unlink()
    archive = zipfile.ZipFile(io.BytesIO(export(client, format="gallery").data))
    assert "no picture yet" in archive.read("gallery/index.html").decode()

"""Admins see all sites, and add, edit, tag, pause, capture and remove them."""

import html
import io
import re

import pytest
from PIL import Image

from sites import Filters, SiteDraft
from tests.support.admin import log_in, send, token_in
from tests.support.catalogue import page as captured_page
from tests.support.site_states import fail


def services_of(client):
    return client.application.extensions["services"]


@pytest.fixture
def catalogue(client):
    return services_of(client).catalogue


@pytest.fixture
def add(catalogue):
    def add(host, **more):
        return catalogue.add(SiteDraft(f"https://{host}/", **more), capture=False)

    return add


FORM = {"url": "https://example.com/", "schedule": "daily", "keep": "30 versions"}
DEFAULTS = {"options.block_ads": "true", "options.block_cookie_banners": "true", "options.block_chats": "true"}


def form_of(**changes):
    return FORM | DEFAULTS | {name.replace("__", "."): value for name, value in changes.items()}


def titles(response):
    return re.findall(r'<h2><a href="[^"]*" dir="auto">([^<]*)</a>', response.text)


def last_action(client):
    entry = services_of(client).audit.entries()[0]
    return entry.action, entry.subject


def test_a_site_is_added_with_what_was_typed(admin, catalogue):
    sent = form_of(
        title="Ümlaut", tags="News, b", note="a note", options__device="iphone-15-pro", options__width="1280"
    )
    response = send(admin, "/admin/sites/new", "/admin/sites/new", **sent)
    assert response.status_code == 303, response.text
    (site,) = catalogue.find(Filters()).sites
    assert response.headers["Location"] == f"/admin/sites/{site.id}"
    assert (site.url, site.title, site.tags, site.note) == ("https://example.com/", "Ümlaut", ("b", "news"), "a note")
    assert site.options == {"device": "iphone-15-pro"}  # what is a default is not kept
    assert site.due_at is not None
    assert last_action(admin) == ("added a site", "https://example.com/")
    assert "The site was added" in admin.get(response.headers["Location"]).text


def test_a_box_that_is_not_ticked_means_false(admin, catalogue):
    sent = {name: value for name, value in form_of().items() if name != "options.block_ads"}
    send(admin, "/admin/sites/new", "/admin/sites/new", **sent)
    assert catalogue.find(Filters()).sites[0].options == {"block_ads": "false"}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"schedule": "often"}, "schedule"),
        ({"keep": "some"}, "keep"),
        ({"tags": "x" * 100}, "tags"),
        ({"options__width": "7"}, "options.width"),
        ({"options__device": "toaster"}, "options.device"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(admin, catalogue, changed, field):
    response = send(admin, "/admin/sites/new", "/admin/sites/new", **form_of(title="Typed", **changed))
    assert response.status_code == 400
    assert f'id="problem-{field}"' in response.text
    assert 'value="Typed"' in response.text
    assert catalogue.counts().total == 0


def test_a_site_that_is_there_already_is_refused_at_its_address(admin, add):
    add("example.com")
    response = send(admin, "/admin/sites/new", "/admin/sites/new", **form_of(url="https://EXAMPLE.com"))
    assert response.status_code == 409
    assert 'id="problem-url"' in response.text


def test_the_second_of_two_editors_sees_what_the_first_did(admin, add, catalogue):
    site = add("example.com", title="Before")
    path = f"/admin/sites/{site.id}"
    first = send(admin, path, path, **form_of(title="First", tags="a", revision="1"))
    assert first.status_code == 303

    second = send(admin, path, path, **form_of(title="Second", tags="b", revision="1"))
    assert second.status_code == 412
    assert "Somebody else has changed this site" in second.text
    for text in ("Second", "First"):
        assert f'<td dir="auto">{text}</td>' in second.text
    assert 'value="Second"' in second.text
    assert catalogue.get(site.id).title == "First"

    revision = re.search(r'name="revision" value="(\d+)"', second.text)[1]
    assert send(admin, path, path, **form_of(title="Second", tags="b", revision=revision)).status_code == 303
    assert (catalogue.get(site.id).title, catalogue.get(site.id).tags) == ("Second", ("b",))


def test_the_list_is_narrowed_by_status_tag_and_text(admin, add):
    one = add("one.example", title="One", tags=("news",))
    add("two.example", title="Two", tags=("news", "b"))
    add("three.example", title="Three")
    fail(services_of(admin).database, one, "the page did not load in time")
    assert sorted(titles(admin.get("/admin/sites"))) == ["One", "Three", "Two"]
    assert titles(admin.get("/admin/sites?status=failed")) == ["One"]
    assert sorted(titles(admin.get("/admin/sites?tag=news"))) == ["One", "Two"]
    assert titles(admin.get("/admin/sites?tag=news&q=two")) == ["Two"]
    assert titles(admin.get("/admin/sites?sort=title")) == ["One", "Three", "Two"]
    assert "No site matches" in admin.get("/admin/sites?q=four").text
    for query in ("status=odd", "sort=odd", "cursor=odd"):
        assert admin.get(f"/admin/sites?{query}").status_code == 400


def selected(client, action, *sites, **more):
    page = client.get("/admin/sites")
    ids = [str(site.id) for site in sites]
    data = {"csrf_token": token_in(page), "action": action, "site": ids, "back": "/admin/sites?tag=news"} | more
    return client.post("/admin/sites/selected", data=data)


def test_many_sites_are_tagged_paused_and_captured_at_once(admin, add, catalogue):
    one, two, three = (add(f"{name}.example", tags=("old",)) for name in ("one", "two", "three"))
    response = selected(admin, "tag", one, two, tags="New, other")
    assert (response.status_code, response.headers["Location"]) == (303, "/admin/sites?tag=news")
    assert [catalogue.get(site.id).tags for site in (one, three)] == [("new", "old", "other"), ("old",)]
    assert "2 sites tagged" in admin.get("/admin/sites").text
    selected(admin, "untag", one, two, tags="old")
    assert catalogue.get(two.id).tags == ("new", "other")
    selected(admin, "pause", one, three)
    assert [catalogue.get(site.id).paused for site in (one, two, three)] == [True, False, True]
    selected(admin, "resume", one)
    assert not catalogue.get(one.id).paused
    due = catalogue.counts().due
    selected(admin, "capture", one, two)
    assert catalogue.counts().due == due + 2
    assert last_action(admin) == ("asked for captures", "https://one.example/, https://two.example/")


def test_all_that_match_are_changed_and_no_others(admin, add, catalogue):
    ones = [add(f"one-{number}.example", tags=("news",)) for number in range(3)]
    other = add("other.example")
    selected(admin, "pause", all="1", tag="news")
    assert all(catalogue.get(site.id).paused for site in ones)
    assert not catalogue.get(other.id).paused


def test_nothing_is_done_without_a_selection_a_tag_or_a_known_action(admin, add, catalogue):
    site = add("one.example")
    assert "No site was selected" in admin.get(selected(admin, "pause").headers["Location"]).text
    assert selected(admin, "tag", site, tags=" , ").status_code == 400
    assert selected(admin, "explode", site).status_code == 400
    assert catalogue.get(site.id).revision == 1


def test_sites_are_removed_after_a_question(admin, add, catalogue):
    one, two = add("one.example", title="One"), add("two.example")
    question = selected(admin, "remove", one)
    assert question.status_code == 200
    assert "Remove 1 site?" in question.text
    assert catalogue.counts().total == 2
    sent = {"csrf_token": token_in(question), "site": [str(one.id)], "back": "/admin/sites"}
    assert admin.post("/admin/sites/remove", data=sent).status_code == 303
    assert [site.id for site in catalogue.find(Filters()).sites] == [two.id]
    assert last_action(admin) == ("removed sites", "https://one.example/")
    assert admin.get(f"/admin/sites/{one.id}").status_code == 404


def test_a_form_leads_back_to_our_own_pages_alone(admin, add):
    response = selected(admin, "pause", add("one.example"), back="https://evil.example/")
    assert response.headers["Location"] == "/admin"


def png(size=(400, 300)):
    target = io.BytesIO()
    Image.new("RGB", size, "teal").save(target, "PNG")
    return target.getvalue()


def test_a_picture_is_uploaded_pinned_and_given_up(admin, add, catalogue):
    site = add("one.example")
    path = f"/admin/sites/{site.id}"
    token = token_in(admin.get(path))
    upload = {"csrf_token": token, "file": (io.BytesIO(png()), "shot.png")}
    assert admin.post(f"{path}/picture", data=upload).status_code == 303
    assert catalogue.get(site.id).uploaded
    assert admin.get(f"/sites/{site.id}/image").headers["X-Thumb-State"] == "fresh"
    assert send(admin, f"{path}/picture", path, version="1").status_code == 303
    assert catalogue.get(site.id).pinned
    assert send(admin, f"{path}/picture", path, last="1").status_code == 303
    assert not catalogue.get(site.id).pinned
    assert [entry.action for entry in services_of(admin).audit.entries(limit=3)] == [
        "showed the last capture again",
        "pinned version 1",
        "uploaded a picture",
    ]


@pytest.mark.parametrize("body", [b"", b"no picture", b"<svg/>", b"%PDF-1.4"])
def test_what_is_no_picture_is_refused(admin, add, catalogue, body):
    site = add("one.example")
    token = token_in(admin.get(f"/admin/sites/{site.id}"))
    upload = {"csrf_token": token, "file": (io.BytesIO(body), "shot.png")}
    assert admin.post(f"/admin/sites/{site.id}/picture", data=upload).status_code == 400
    assert catalogue.get(site.id).picture is None


def test_a_file_that_is_too_large_is_refused_in_words(admin, add):
    site = add("one.example")
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        + bytes(9 << 20)
        + b"\r\n--x--\r\n"
    )
    sent = {"data": body, "content_type": "multipart/form-data; boundary=x"}
    response = admin.post(f"/admin/sites/{site.id}/picture", **sent)
    assert response.status_code == 413
    assert "too large" in response.text


def test_a_preview_is_a_picture_or_says_why_there_is_none(admin):
    with_token = {"csrf_token": token_in(admin.get("/admin/sites/new"))}
    response = admin.get("/admin/preview", query_string=form_of() | with_token)
    assert (response.status_code, response.content_type) == (200, "image/webp")
    refused = admin.get("/admin/preview", query_string=form_of(options__width="7") | with_token)
    assert (refused.status_code, refused.json["field"]) == (400, "options.width")
    assert admin.get("/admin/preview", query_string=form_of(url="http://127.0.0.1/") | with_token).status_code == 400


@pytest.mark.parametrize("token", [None, "", "a-token-of-nobody"])
def test_a_preview_is_captured_for_a_form_of_ours_alone(admin, api, token):
    """A link or a picture of another site leads to its address too."""
    response = admin.get("/admin/preview", query_string=form_of() | ({} if token is None else {"csrf_token": token}))
    assert (response.status_code, response.json["detail"]) == (400, "this form is no longer valid; reload the page")
    assert api.calls == []


def test_a_preview_without_scripts_keeps_what_was_typed(admin, catalogue):
    response = send(admin, "/admin/sites/new", "/admin/sites/new", **form_of(title="Typed", preview="1"))
    assert response.status_code == 200
    assert 'value="Typed"' in response.text
    picture = re.search(r'src="(/admin/preview\?[^"]+)"', response.text)[1].replace("&amp;", "&")
    assert admin.get(picture).status_code == 200
    assert catalogue.counts().total == 0


def test_private_pictures_are_shown_to_an_admin(make_client):
    client = make_client(signing_keys=("a-key-that-signs-urls",), allowed_sizes="any")
    site = services_of(client).catalogue.add(SiteDraft("https://example.com/"), capture=False)
    services_of(client).history.upload(site.id, captured_page())
    assert client.get(f"/sites/{site.id}/image").status_code == 401
    log_in(client)
    assert client.get(f"/sites/{site.id}/image").status_code == 200


def test_titles_are_text_wherever_they_come_from(admin, add):
    site = add("one.example", title='<script>alert(1)</script>"', tags=("<b>",))
    for path in ("/admin/sites", f"/admin/sites/{site.id}", "/admin"):
        assert "<script>alert" not in admin.get(path).text


def test_pictures_are_asked_for_in_sizes_that_are_allowed(make_client):
    client = make_client(allowed_sizes="480x270,100")
    site = services_of(client).catalogue.add(SiteDraft("https://example.com/"), capture=False)
    services_of(client).history.upload(site.id, captured_page())
    log_in(client)
    for path in ("/admin/sites", f"/admin/sites/{site.id}"):
        (address,) = re.findall(r'<img src="([^"]*)"', client.get(path).text)
        assert client.get(html.unescape(address)).status_code == 200, address

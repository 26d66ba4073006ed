"""The Atom feed of changes has what RFC 4287 requires."""

import html
import re
from datetime import datetime

from defusedxml.ElementTree import fromstring

from sites import Claim
from tests.support.catalogue import page
from tests.support.databases import ON_SQLITE

ATOM = "{http://www.w3.org/2005/Atom}"


def change(built, client, name, **more):
    id_ = client.post("/sites", json={"url": f"https://{name}.example/", **more}).json["id"]
    for mark in (0, 60):
        built.catalogue.request_capture([id_])
        (claim,) = built.site_capturer.claims.claim_due(1)
        site, running = built.site_capturer.claims.begin(Claim.parse(str(claim)))
        built.site_capturer.recorder.record(running, site, page(mark))
    return id_


def test_a_feed_has_the_required_elements_and_the_changes(built, client):
    change(built, client, "a", title="A & <b>", tags=["news"])
    response = client.get("/sites/feed.atom")
    assert response.content_type == "application/atom+xml; charset=utf-8"
    feed = fromstring(response.data)

    for element in (feed, entry := feed.find(f"{ATOM}entry")):
        assert all(len(element.findall(ATOM + name)) == 1 for name in ("id", "title", "updated"))
        assert datetime.fromisoformat(element.find(f"{ATOM}updated").text)
    assert feed.find(f"{ATOM}author/{ATOM}name").text
    assert [link.get("rel") for link in feed.findall(f"{ATOM}link")] == ["self"]
    assert entry.find(f"{ATOM}title").text == "A & <b>"
    links = {link.get("rel"): link.get("href") for link in entry.findall(f"{ATOM}link")}
    assert links == {
        "alternate": "http://localhost/gallery/1?from=1&to=2",
        "related": "https://a.example/",
        "enclosure": "http://localhost/sites/1/versions/2/image",
    }


def test_pages_lead_to_the_feed_and_its_entries_back_to_pages(built, make_client):
    visitor = make_client(gallery_public=True)
    change(built, visitor, "a", tags=["news", "r&d"])
    for address, feed in {
        "/gallery": "/sites/feed.atom",
        "/gallery?tag=news&tag=r%26d&sort=title": "/sites/feed.atom?tag=news&tag=r%26d",
        "/gallery/1": "/sites/feed.atom",
    }.items():
        text = html.unescape(visitor.get(address).text)
        assert re.search(r'<link rel="alternate" type="application/atom\+xml" [^>]*href="([^"]+)"', text)[1] == feed
        assert re.search(r'<a href="([^"]+)">Feed of changes', text)[1] == feed
        (entry,) = fromstring(visitor.get(feed).data).findall(f"{ATOM}entry")
    where = entry.find(f"{ATOM}link[@rel='alternate']").get("href")
    assert 'data-view="slider"' in visitor.get(where).text


def test_a_feed_of_tags_has_their_sites_alone(built, client):
    change(built, client, "a", tags=["news"])
    change(built, client, "b")
    feeds = [fromstring(client.get("/sites/feed.atom" + query).data) for query in ("", "?tag=News", "?tag=none")]
    assert [len(feed.findall(f"{ATOM}entry")) for feed in feeds] == [2, 1, 0]
    assert client.get("/sites/feed.atom?w=1").status_code == 400


@ON_SQLITE
def test_a_title_that_xml_cannot_hold_leaves_the_feed_readable(built, client):
    change(built, client, "a", title="A\uffff \U0001f600", tags=["news\ufffe"])
    entry = fromstring(client.get("/sites/feed.atom").data).find(f"{ATOM}entry")
    assert entry.find(f"{ATOM}title").text == "A \U0001f600"
    assert entry.find(f"{ATOM}category").get("term") == "news"


@ON_SQLITE
def test_where_keys_are_set_the_feed_needs_one_unless_the_gallery_is_public(make_client):
    closed, public = (make_client(api_keys=("cms:correct-horse",), gallery_public=each) for each in (False, True))
    refused = closed.get("/sites/feed.atom")
    assert (refused.status_code, refused.json["code"]) == (401, "key_required")
    assert closed.get("/sites/feed.atom", headers={"X-API-Key": "correct-horse"}).status_code == 200
    assert public.get("/sites/feed.atom").status_code == 200


@ON_SQLITE
def test_scripts_of_other_sites_read_pictures_alone(built, client):
    change(built, client, "a")
    answers = [
        client.get(path, headers={"Origin": "https://other.example"})
        for path in ("/sites/1/image", "/sites/feed.atom", "/sites/1/versions", "/sites/1/versions/1", "/sites")
    ]
    assert [answer.headers.get("Access-Control-Allow-Origin") for answer in answers] == ["*", None, None, None, None]

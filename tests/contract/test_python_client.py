"""clients/python against the running service."""

import io
import json
import os
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from PIL import Image
from standardwebhooks.webhooks import Webhook
from thumbnail_client import Client, ServiceError, TimedOut, Unreachable, UnverifiedMessage, Urls, sign, verified

from tests.support.browser import serving
from tests.support.processes import free_port, wait_until

PAGE = "https://example.com/"
WEBHOOK_SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cw=="


@pytest.fixture(scope="module")
def client(service):
    return Client(service.url, service.api_key)


@pytest.fixture(scope="module")
def urls(service):
    return Urls(service.url, service.signing_key)


def fetch(url):
    with urlopen(Request(url, headers={"Accept": "image/webp,image/*"}), timeout=30) as answer:
        return answer.headers.get_content_type(), Image.open(io.BytesIO(answer.read())).size


def test_signatures_are_those_of_the_docs():
    docs = (Path(__file__).parents[2] / "docs" / "signing.md").read_text(encoding="utf-8")
    options = {"expires": 4102444800, "url": "https://example.com/ü"}
    for given in ({"url": PAGE}, {"url": "https://example.com/a?b=c&d=e", "width": 800, "w": 320, "v": 7}, options):
        assert f"`{sign('a-signing-key-of-the-docs', given)}`" in docs
    assert f"`{sign('a-signing-key-of-the-docs', {'url': PAGE, 'format': 'pdf'})}`" in docs
    with pytest.raises(ValueError, match="hide"):
        sign("key", {"url": PAGE, "hide": "a\nb"})
    with pytest.raises(ValueError, match="key"):
        sign("", {"url": PAGE})


def test_addresses_are_served_as_they_are_written(urls):
    odd = "https://example.com/a'b?q=1&r=%22$x%22&s=[2]#!/top"
    assert fetch(urls.thumb(odd, w=320, h=180, format="webp", full_page=True)) == ("image/webp", (320, 180))
    assert fetch(urls.path(odd, w=320, h=180, format="jpg", hide=".a, .b/c")) == ("image/jpeg", (320, 180))
    assert fetch(urls.path(PAGE, w=320, h=180, format="auto")) == ("image/webp", (320, 180))
    assert fetch(urls.thumb(PAGE, w=320, h=180, expires_in=60))[1] == (320, 180)
    assert "sig=" not in Urls("http://localhost:8000/").thumb(PAGE)


def test_a_card_is_served_as_its_address_is_written(urls):
    data = {"quote": "One\r\ntwo 'three' & 4", "role": "", "author": "Ä"}
    assert fetch(urls.card("quote", data)) == ("image/png", (1200, 630))
    assert fetch(urls.card("quote", data, format="webp", w=640, expires_in=60)) == ("image/webp", (640, 336))
    assert Urls("http://localhost:8000").card("quote") == "http://localhost:8000/card/quote.png"
    with pytest.raises(HTTPError) as refused:
        fetch(urls.card("quote", data).replace("three", "five"))
    assert refused.value.code == 403
    refused.value.close()


def test_an_address_that_has_expired_or_was_changed_is_refused(urls):
    for changed in (urls.thumb(PAGE, expires_in=-5), urls.thumb(PAGE).replace("example.com", "example.org")):
        with pytest.raises(HTTPError) as refused:
            fetch(changed)
        assert refused.value.code == 403
        refused.value.close()


def test_a_srcset_names_each_width_and_an_img_keeps_its_place(urls):
    candidates = [
        each.rsplit(" ", 1) for each in urls.srcset(PAGE, [320, 640], ratio=16 / 9, format="webp").split(", ")
    ]
    assert [(fetch(url)[1], width) for url, width in candidates] == [((320, 180), "320w"), ((640, 360), "640w")]
    tag = urls.img(PAGE, 320, 180, alt='a "quoted" name')
    assert 'width="320" height="180" alt="a &quot;quoted&quot; name" loading="lazy"' in tag
    assert "&amp;w=320" in tag


def test_a_picture_is_captured_and_stored(client, service):
    picture = client.capture(PAGE, w=320, h=180, format="webp")
    assert (picture.content_type, Image.open(io.BytesIO(picture.body)).size) == ("image/webp", (320, 180))
    stored = client.persist("https://example.com/stored", w=320, h=180)
    assert stored.url.startswith(service.url)
    assert stored.created
    assert fetch(stored.url)[1] == (320, 180)
    assert not client.persist("https://example.com/stored", w=320, h=180).created


def test_a_job_is_waited_for(client):
    job = client.wait(client.create_job("https://example.com/job", w=320, h=180, format="webp"))
    assert (job.status, client.job(job.id).status) == ("completed", "completed")
    assert client.job_picture(job).content_type == "image/webp"


def test_a_job_that_lasts_is_waited_for_no_longer_than_asked(client):
    job = client.create_job("https://example.com/lasting")
    with pytest.raises(TimedOut, match=r"pending|processing"):
        client.wait(job, seconds=0)


@pytest.mark.parametrize(
    ("options", "code", "field"),
    [
        ({"url": "http://10.0.0.1/"}, "blocked_url", "url"),
        ({"url": PAGE, "w": 3}, "invalid_option", "w"),
        ({"url": PAGE, "colour": "red"}, "invalid_option", "colour"),
    ],
)
def test_a_refusal_names_the_field(client, options, code, field):
    with pytest.raises(ServiceError) as refused:
        client.capture(**options)
    assert (refused.value.status, refused.value.code, refused.value.field) == (400, code, field)
    assert not refused.value.retryable


def test_what_is_pending_is_no_picture(client):
    with pytest.raises(ServiceError) as pending:
        client.capture("https://example.com/pending", wait=0)
    assert (pending.value.status, pending.value.code, pending.value.retryable) == (202, "pending", True)
    assert pending.value.retry_after > 0


def test_a_wrong_key_and_a_wrong_address_say_so(service):
    with pytest.raises(ServiceError, match="key") as refused:
        Client(service.url, "wrong").persist(PAGE)
    assert refused.value.status == 401
    with pytest.raises(Unreachable, match="gives no answer"):
        Client(f"http://127.0.0.1:{free_port()}").persist(PAGE)
    with pytest.raises(Unreachable, match="is it the thumbnail service"):
        Client(f"{service.url}/?", service.api_key).metadata(PAGE)


def test_metadata_is_told_to_a_holder_of_a_signing_key(service):
    found = Client(service.url, service.api_key, signing_key=service.signing_key).metadata(PAGE, full_page=True)
    assert found["url"] == PAGE
    with pytest.raises(ServiceError) as refused:
        Client(service.url, service.api_key).metadata(PAGE)
    assert refused.value.status == 403


def test_a_signing_key_alone_captures(service):
    client = Client(service.url, signing_key=service.signing_key)
    assert client.capture(PAGE, w=320, h=180, format="webp").content_type == "image/webp"
    with pytest.raises(ServiceError) as refused:
        client.capture("http://10.0.0.1/")
    assert (refused.value.code, refused.value.field) == ("blocked_url", "url")


def test_a_key_follows_no_redirect(service):
    reached = []

    def other(environ, start_response):
        reached.append(environ.get("HTTP_X_API_KEY"))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b"{}"]

    with serving(other) as away:

        def redirecting(_environ, start_response):
            start_response("302 Found", [("Location", away)])
            return [b""]

        with serving(redirecting) as here, pytest.raises(ServiceError) as refused:
            Client(here, service.api_key).job("1")
    assert (refused.value.status, reached) == (302, [])
    with pytest.raises(ValueError, match="http"):
        Client("localhost:8000")


def test_sites_are_added_captured_listed_changed_and_removed(client):
    added = [client.add_site(f"https://example.com/site/{number}", tags=["client"]) for number in range(3)]
    wait_until(lambda: all(site["status"] == "ready" for site in client.sites(tag="client")), "the captures")

    listed = list(client.sites(tag="client", limit=2, sort="added"))
    assert [site["id"] for site in listed] == [site["id"] for site in reversed(added)]
    page = client.page_of_sites(tag=["client", "CLIENT"], limit=2)
    assert (page["total"], len(page["sites"])) == (3, 2)
    assert client.site(added[1]["id"])["url"] == "https://example.com/site/1"
    assert len(list(client.sites(tag=["client", "other"]))) == 0
    (first,) = client.versions(added[0]["id"])
    assert first["number"] == 1
    site = client.change_site(added[0]["id"], title="First", revision=added[0]["revision"])
    assert site["title"] == "First"
    with pytest.raises(ServiceError) as conflict:
        client.change_site(added[0]["id"], title="Second", revision=added[0]["revision"])
    assert conflict.value.code == "revision_conflict"
    assert client.capture_site(added[1]["id"])["id"] == added[1]["id"]
    client.remove_site(added[2]["id"])
    assert len(list(client.sites(tag="client"))) == 2


def test_messages_are_believed_with_the_services_signature_alone():
    body = json.dumps({"event": "screenshot.completed"}).encode()
    now = int(time.time())
    headers = signed(body, now)
    assert verified(WEBHOOK_SECRET, headers, body) == {"event": "screenshot.completed"}
    for wrong, sent in ((body + b" ", now), (body, now - 400), (body, now + 400)):
        with pytest.raises(UnverifiedMessage):
            verified(WEBHOOK_SECRET, signed(body, sent), wrong)
    with pytest.raises(UnverifiedMessage):
        verified(WEBHOOK_SECRET, {}, body)
    for none in ("", "whsec_", "****", "whsec_c2V"):
        with pytest.raises(ValueError, match="secret"):
            verified(none, headers, body)


def signed(body, sent):
    """Sign as the service does, by the library of the scheme."""
    from datetime import UTC, datetime

    signature = Webhook(WEBHOOK_SECRET).sign("msg_1", datetime.fromtimestamp(sent, UTC), body.decode())
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(sent), "Webhook-Signature": f"v1,bad {signature}"}


def test_it_needs_no_package_of_others():
    folder = Path(__file__).parents[2] / "clients" / "python"
    import subprocess

    environ = {"PYTHONPATH": str(folder), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-S", "-c", "import thumbnail_client; print(thumbnail_client.Client.__name__)"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "Client\n"


def test_the_example_of_the_docs_runs(service):
    docs = (Path(__file__).parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")
    code = docs.partition("```python\n")[2].partition("```")[0].replace("http://localhost:8000", service.url)
    code = code.replace("signing_key=None", "signing_key=signing").replace("api_key=None", "api_key=key")
    exec(code, {"signing": service.signing_key, "key": service.api_key})

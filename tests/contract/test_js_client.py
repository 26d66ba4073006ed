"""clients/js against the running service, in Node. Each script makes the calls of a subject, and tells what came of them."""

import base64
import io
import json
import re
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

import pytest
from PIL import Image
from standardwebhooks.webhooks import Webhook
from thumbnail_client import Urls, sign

from tests.support.browser import serving
from tests.support.node import installed, run_bare
from tests.support.processes import free_port
from tests.support.screenshot_api import refuse

HERE = Path(__file__).parent
CLIENT = HERE.parents[1] / "clients" / "js"
PAGE = "https://example.com/"
ODD = "https://example.com/a'b~(c)?q=1&r=%22$x%22&s=[2]&t=ü%20😀+*#!/top"
WEBHOOK_SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cw=="
SIGNED = (
    {"url": PAGE},
    {"url": "https://example.com/a?b=c&d=e", "width": 800, "w": 320, "v": 7},
    {"expires": 4102444800, "url": "https://example.com/ü"},
    {"url": PAGE, "format": "pdf"},
    {"url": ODD, "full_page": True, "scale": 1.5, "format": "webp", "hide": ".a, .b/c:not(d)"},
)
PAGES = (
    {"url": PAGE, "options": {}},
    {"url": ODD, "options": {"w": 320, "h": 180, "format": "webp", "full_page": True}},
    {"url": ODD, "options": {"w": 320, "h": 180, "format": "jpg", "hide": ".a, .b/c:not(d)"}},
    {"url": PAGE, "options": {"w": 320, "format": "auto", "dark_mode": False}},
    {"url": PAGE, "options": {"format": "pdf"}},
)


def tell(script, **given):
    return run_bare(HERE / "js_client" / script, json.dumps(given))


def fetch(url):
    with urlopen(Request(url, headers={"Accept": "image/webp,image/*"}), timeout=30) as answer:
        return answer.headers.get_content_type(), answer.read()


def size_of(picture):
    return Image.open(io.BytesIO(picture)).size


def png():
    target = io.BytesIO()
    Image.linear_gradient("L").save(target, "PNG")
    return base64.b64encode(target.getvalue()).decode()


@pytest.fixture(scope="module")
def addresses(service):
    given = {"base": service.url, "key": service.signing_key, "page": PAGE, "widths": [320, 640]}
    return tell("addresses.mjs", signed=SIGNED, pages=PAGES, **given)


@pytest.fixture(scope="module")
def reached():
    """The requests at the address to which another one redirects."""
    return []


@pytest.fixture(scope="module")
def called(service, reached):
    service.api.behave(refuse(422, "page_failed"), times=99, url=f"{PAGE}missing")

    def other(environ, start_response):
        reached.append(environ.get("HTTP_X_API_KEY"))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b"{}"]

    ended = threading.Event()

    def silent(_environ, start_response):
        ended.wait(30)
        start_response("200 OK", [])
        return [b""]

    with serving(other) as away, serving(silent) as silence:

        def redirecting(_environ, start_response):
            start_response("302 Found", [("Location", away)])
            return [b""]

        with serving(redirecting) as here:
            told = tell(
                "calls.mjs",
                base=service.url,
                apiKey=service.api_key,
                signingKey=service.signing_key,
                page=PAGE,
                other=png(),
                nobody=f"http://127.0.0.1:{free_port()}",
                redirecting=here,
                silent=silence,
            )
            ended.set()
    return told


@pytest.fixture(scope="module")
def messages():
    body = json.dumps({"event": "screenshot.completed", "name": "ü"})
    now = int(time.time())
    return tell(
        "messages.mjs",
        secret=WEBHOOK_SECRET,
        otherSecret="whsec_" + base64.b64encode(b"another").decode(),
        body=body,
        headers=signed(body, now),
        old=signed(body, now - 400),
        early=signed(body, now + 400),
        noJson=signed("{", now),
        noObject=signed("[]", now),
    )


def signed(body, sent):
    """Sign as the service does, by the library of the scheme."""
    signature = Webhook(WEBHOOK_SECRET).sign("msg_1", datetime.fromtimestamp(sent, UTC), body)
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(sent), "Webhook-Signature": f"v1,bad {signature}"}


def test_signatures_are_those_of_the_docs_and_of_the_python_client(addresses):
    docs = (HERE.parents[1] / "docs" / "signing.md").read_text(encoding="utf-8")

    assert all(f"`{signature}`" in docs for signature in addresses["signatures"][:4])
    assert addresses["signatures"] == [sign("a-signing-key-of-the-docs", options) for options in SIGNED]


def test_addresses_say_the_same_as_those_of_the_python_client(addresses, service):
    python = Urls(service.url, service.signing_key)
    theirs = [python.thumb(each["url"], **each["options"]) for each in PAGES]

    assert [parsed(url) for url in addresses["thumbs"]] == [parsed(url) for url in theirs]
    assert addresses["paths"] == [python.path(each["url"], **each["options"]) for each in PAGES]
    assert [parsed(url) for url in urls_of(addresses["srcset"])] == [
        parsed(url) for url in urls_of(python.srcset(PAGE, [320, 640], ratio=16 / 9, format="webp"))
    ]


def test_cards_have_the_addresses_of_the_python_client(addresses, service):
    python = Urls(service.url, service.signing_key)
    theirs = [
        python.card("quote", {"quote": "One\r\ntwo 'three' & 4", "author": "Ä"}),
        python.card("quote", {"quote": "One"}, format="webp", w=640, scale=2),
    ]
    assert [parsed(url) for url in addresses["cards"]] == [parsed(url) for url in theirs]


def parsed(url):
    parts = urlsplit(url)
    return parts.netloc, parts.path, dict(parse_qsl(parts.query))


def urls_of(srcset):
    return [each.rsplit(" ", 1)[0] for each in srcset.split(", ")]


@pytest.mark.parametrize("kind", ["thumbs", "paths"])
def test_addresses_are_served_as_they_are_written(addresses, kind):
    served = [fetch(url) for url in addresses[kind]]

    assert [content_type for content_type, _ in served] == [
        "image/png", "image/webp", "image/jpeg", "image/webp", "application/pdf",
    ]  # fmt: skip
    assert [size_of(body) for _, body in served[:4]] == [(1280, 720), (320, 180), (320, 180), (320, 180)]


def test_an_address_is_good_for_as_long_as_it_says(addresses):
    assert size_of(fetch(addresses["good for a minute"])[1])[0] == 320
    assert size_of(fetch(addresses["path for a minute"])[1])[0] == 320
    for refused in (addresses["expired"], addresses["thumbs"][0].replace("example.com", "example.org")):
        with pytest.raises(HTTPError) as answer:
            fetch(refused)
        assert answer.value.code == 403
        answer.value.close()


def test_a_srcset_names_each_width_and_an_img_keeps_its_place(addresses):
    assert [size_of(fetch(url)[1]) for url in urls_of(addresses["srcset"])] == [(320, 180), (640, 360)]
    assert re.findall(r" (\d+w)(?:, |$)", addresses["srcset without a ratio"]) == ["320w", "640w"]
    tag = addresses["img"]
    assert 'width="320" height="180" alt="a &quot;quoted&quot; &#x27;name&#x27; &lt;&amp;&gt;" loading="lazy">' in tag
    src, srcset = re.search(r'<img src="([^"]+)" srcset="([^"]+) 2x"', tag).groups()
    assert [size_of(fetch(url.replace("&amp;", "&"))[1]) for url in (src, srcset)] == [(320, 180), (640, 360)]


def test_what_cannot_be_an_address_is_refused_by_name(addresses):
    assert (addresses["line break"]["error"], addresses["line break"]["message"][:6]) == ("TypeError", "hide: ")
    assert (addresses["no key"]["error"], addresses["no key"]["message"][:5]) == ("TypeError", "key: ")
    assert addresses["an object"] == {
        "error": "TypeError",
        "message": "clip: must be a text, a number, true or false",
    }


def test_a_browser_writes_addresses_without_a_key_alone(addresses, service):
    assert addresses["unsigned without Node"] == [
        f"{service.url}/thumb?url=https%3A%2F%2Fexample.com%2F",
        f"{service.url}/t/-/aHR0cHM6Ly9leGFtcGxlLmNvbS8.png",
    ]
    assert "not in a browser" in addresses["signed without Node"]["message"]


def test_a_picture_is_captured_and_stored(called, service):
    picture, stored = called["picture"], called["stored"]

    assert (picture["contentType"], picture["cache"]) == ("image/webp", "MISS")
    assert size_of(base64.b64decode(picture["body"])) == (320, 180)
    assert called["known picture"] == "HIT"
    assert stored["url"].startswith(service.url)
    assert (stored["created"], called["stored again"]["created"]) == (True, False)
    assert size_of(fetch(stored["url"])[1]) == (320, 180)


def test_a_job_is_waited_for(called):
    job, seen, content_type = called["job"]

    assert (job["status"], job["ended"], seen["status"]) == ("completed", True, "completed")
    assert size_of(fetch(job["imageUrl"])[1]) == (320, 180)
    assert content_type == "image/webp"


def test_a_job_that_lasts_is_waited_for_no_longer_than_asked(called):
    assert called["lasting job"]["error"] == "TimedOut"
    assert re.search("is (pending|processing) after 0 seconds", called["lasting job"]["message"])


def test_a_job_that_fails_rejects_with_its_error(called):
    failed = called["failed job"]

    assert (failed["error"], failed["code"]) == ("ServiceError", "capture_failed")


@pytest.mark.parametrize(
    ("call", "code", "field"),
    [
        ("blocked", "blocked_url", "url"),
        ("too small", "invalid_option", "w"),
        ("unknown option", "invalid_option", "colour"),
    ],
)
def test_a_refusal_names_the_field(called, call, code, field):
    refused = called[call]

    assert (refused["error"], refused["status"], refused["code"], refused["field"]) == (
        "ServiceError",
        400,
        code,
        field,
    )
    assert (refused["retryable"], refused["retryAfter"]) == (False, None)
    assert refused["message"] == f"{refused['detail']} ({code})"
    assert refused["requestId"]


def test_a_placeholder_is_no_picture(called):
    pending = called["pending"]

    assert (pending["status"], pending["code"], pending["retryable"]) == (202, "pending", True)
    assert pending["retryAfter"] > 0


def test_a_wrong_key_and_a_wrong_address_say_so(called):
    assert (called["wrong key"]["status"], called["wrong key"]["field"]) == (401, "")
    assert called["nobody there"]["error"] == "Unreachable"
    assert "ECONNREFUSED" in called["nobody there"]["message"]
    assert "gives no answer: none in 0.2 seconds" in called["silence"]["message"]
    assert "is it the thumbnail service?" in called["another service"]["message"]
    assert called["no scheme"] == {"error": "TypeError", "message": "baseUrl: must start with http:// or https://"}


def test_a_key_follows_no_redirect(called, reached):
    assert (called["redirect"]["error"], called["redirect"]["status"], reached) == ("ServiceError", 302, [])


def test_a_signing_key_alone_captures(called):
    assert size_of(base64.b64decode(called["signed picture"]["body"])) == (320, 180)


def test_metadata_is_told_to_a_holder_of_a_signing_key(called):
    assert called["metadata"]["url"] == PAGE
    assert called["metadata without a signature"]["status"] == 403


def test_sites_are_added_captured_listed_changed_and_removed(called):
    a, b, c = called["added"]

    assert called["listed in two pages"] == [c, b, a]
    assert (called["one page"]["total"], len(called["one page"]["sites"])) == (3, 2)
    assert called["one site"]["url"] == f"{PAGE}js/b"
    assert called["with two tags"] == [b]
    assert called["versions"] == [1]
    assert called["changed"]["title"] == "First"
    assert (called["changed twice"]["code"], called["removed too late"]["code"]) == ("revision_conflict",) * 2
    assert called["captured again"] == b
    assert called["left"] == [b, a]


def test_two_versions_of_a_site_are_compared(called):
    difference, content_type = called["difference"]

    assert difference["change"] > 0
    assert content_type == "image/png"


def test_messages_are_believed_with_the_services_signature_alone(messages):
    believed = {"event": "screenshot.completed", "name": "ü"}

    assert [messages[way] for way in ("as bytes", "as text", "of Node's server")] == [believed] * 3
    refused = ("a changed body", "another secret", "old", "early", "no headers", "no JSON", "no object")
    assert [messages[way]["error"] for way in refused] == ["UnverifiedMessage"] * len(refused)


def test_a_secret_or_body_that_is_none_is_refused(messages):
    assert (messages["a parsed body"]["error"], messages["a parsed body"]["message"][:6]) == ("TypeError", "body: ")
    assert [message[:8] for message in messages["no secret"]] == ["secret: "] * 4


@pytest.fixture
def home(tmp_path):
    """A folder in which the client is installed, as `npm install ./clients/js` does it."""
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "thumbnail-client").symlink_to(CLIENT)
    return tmp_path


def test_types_fit_what_programs_write(home):
    compiler = installed(HERE / "typescript") / "node_modules" / "typescript" / "bin" / "tsc"
    program = home / "program.ts"
    program.write_bytes((HERE / "typescript" / "program.ts").read_bytes())
    (home / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    command = [
        "node",
        str(compiler),
        "--noEmit",
        "--strict",
        "--module",
        "nodenext",
        "--target",
        "esnext",
        "--types",
        "",
    ]
    done = subprocess.run([*command, str(program)], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout) == (0, "")


def test_types_have_the_names_of_the_code():
    types = (CLIENT / "index.d.ts").read_text(encoding="utf-8")
    for name in ("client", "urls"):
        code = (CLIENT / f"{name}.js").read_text(encoding="utf-8")
        methods = set(re.findall(r"^  (?:async \*?)?([a-z]\w*)\(.*\) \{$", code, re.MULTILINE))
        (declared,) = re.findall(rf"^export class {name.title()} \{{(.*?)^\}}", types, re.MULTILINE | re.DOTALL)
        assert methods == set(re.findall(r"^  (\w+)\(", declared, re.MULTILINE))
    exported = re.findall(r"export \{ (.*?) \}", (CLIENT / "index.js").read_text(encoding="utf-8"))
    assert set(", ".join(exported).split(", ")) == set(re.findall(r"export (?:class|function) (\w+)", types))


def test_the_example_of_the_docs_runs(service, home):
    docs = (HERE.parents[1] / "docs" / "clients.md").read_text(encoding="utf-8")
    code = docs.partition("```js\n")[2].partition("```")[0].replace("http://localhost:8000", service.url)
    code = code.replace("signingKey = null", f"signingKey = {json.dumps(service.signing_key)}")
    code = code.replace("apiKey = null", f"apiKey = {json.dumps(service.api_key)}")
    (home / "example.mjs").write_text(code + "\nconsole.log(JSON.stringify('done'))", encoding="utf-8")

    assert run_bare(home / "example.mjs") == "done"

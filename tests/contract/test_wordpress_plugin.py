"""clients/wordpress against the running service.

WordPress is not among the packages of the tests: `tests/contract/wordpress/functions.php` stands for it. With
`WORDPRESS=/var/www/html`, the folder of one that is installed, the same tests run in that one, and write into it.
"""

import io
import json
import os
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit
from urllib.request import urlopen

import pytest
from PIL import Image

from access import AccessRules
from options import THUMBNAIL_OPTIONS, Boolean, Choice
from tests.support.browser import serving
from tests.support.processes import free_port
from web.ui.snippets import Subject, snippets

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "clients" / "wordpress" / "thumbnail-service.php"
DRIVER = ROOT / "tests" / "contract" / "wordpress" / "drive.php"
PAGE = "https://example.com/"
HOSTILE = (
    '"><script>alert(1)</script>',
    "' onerror='alert(1)",
    '" onerror="alert(1)" x="',
    "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#34; onload=&#34;alert(1)",
    "javascript:alert(1)",
    "JaVaScRiPt&colon;alert(1)",
    "https://example.com/\"'><svg onload=alert(1)>",
    "https://example.com/' onmouseover='alert(1)",
    '//example.com/" onmouseover="alert(1)',
    "data:text/html,<script>alert(1)</script>",
    "&#91;/thumbnail&#93;<!--",
)


class WordPress:
    """A process of PHP in which the plug-in is active: `wordpress("shortcode", text)` returns what it returns."""

    def __init__(self, process):
        self._process = process

    def __call__(self, name, *arguments):
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "PHP has ended; its messages are above"
        answer = json.loads(line)
        assert "raised" not in answer, answer["raised"]
        return answer["returned"]

    def set(self, **settings):
        """Store the settings as the page does. Returns what it complains about."""
        before = len(self("complaints"))
        self("user", "administrator")
        self("settings", settings)
        return self("complaints")[before:]


@pytest.fixture(scope="module")
def php():
    found = shutil.which("php")
    if found is None:
        pytest.skip("no php on this machine")
    return found


@pytest.fixture(scope="module")
def process(php):
    command = [php, str(DRIVER), str(PLUGIN), os.environ.get("WORDPRESS", "")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        yield WordPress(running)
        running.stdin.close()


@pytest.fixture
def wordpress(process, service):
    """A WordPress whose administrator has entered the service and its keys, and looks at it."""
    process("forget")
    assert not process.set(
        service_url=service.url, signing_key=service.signing_key, api_key=service.api_key, default_width="640"
    )
    return process


@pytest.fixture
def post(wordpress):
    return wordpress("post", "administrator")


class Elements(HTMLParser):
    """The elements of a piece of HTML, each as (name, attributes), as a browser reads them."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def image_of(text):
    (image,) = [attributes for tag, attributes in Elements(text).found if tag == "img"]
    return image


def options_of(address):
    return dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))


def size_of(address):
    with urlopen(address, timeout=30) as answer:
        return Image.open(io.BytesIO(answer.read())).size


def test_php_takes_the_file_as_it_is(php):
    done = subprocess.run([php, "-l", str(PLUGIN)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"No syntax errors detected in {PLUGIN}\n")


def test_its_attributes_are_the_services_options(process):
    theirs = {"url", "w", "h", "width", "height", "sig"}
    public = {name: each for name, each in THUMBNAIL_OPTIONS.items() if not each.private and name not in theirs}
    ours = process("constant", "OPTIONS")
    assert set(ours) == {*public, "v"}
    assert {name for name, kind in ours.items() if kind is True} == {
        name for name, each in public.items() if isinstance(each.kind, Boolean)
    }
    choices = {name: set(each.kind.values) for name, each in public.items() if isinstance(each.kind, Choice)}
    choices["format"] = choices["format"] - {"lqip"} | {"auto"}
    assert {name: set(kind) for name, kind in ours.items() if isinstance(kind, list)} == choices
    unsigned = {name for name, each in THUMBNAIL_OPTIONS.items() if not each.signed}
    assert {*process("constant", "UNSIGNED")} == unsigned - {"sig"} | {"v"}


def test_a_shortcode_shows_a_picture_that_keeps_its_place_and_is_sharp(wordpress):
    shown = wordpress("shortcode", f'Before [thumbnail url="{PAGE}" width="320" height="180" format="webp"] after')
    assert shown.startswith("Before <img ")
    assert shown.endswith("> after")
    image = image_of(shown)
    assert (image["width"], image["height"], image["loading"], image["alt"]) == (
        "320",
        "180",
        "lazy",
        "Screenshot of example.com",
    )
    candidates = [each.split(" ") for each in image["srcset"].split(", ")]
    assert [(size_of(url), density) for url, density in candidates] == [((320, 180), "1x"), ((640, 360), "2x")]
    assert size_of(image["src"]) == (320, 180)


def test_both_densities_come_from_one_capture(wordpress, service):
    before = len(service.api.calls)
    image = image_of(wordpress("shortcode", '[thumbnail url="https://example.com/sharp" width="800"]'))
    assert [size_of(each.split(" ")[0]) for each in image["srcset"].split(", ")] == [(800, 450), (1600, 900)]
    assert (image["width"], image["height"]) == ("800", "450")
    assert len(service.api.calls) == before + 1


@pytest.mark.parametrize(
    ("attributes", "sides"),
    [
        ("", ("640", "360")),
        ('width="320" viewport_width="800" viewport_height="600"', ("320", "240")),
        ('height="180"', ("320", "180")),
        ('width="320" full_page="true"', ("320", None)),
        ('width="320" height="180" full_page="true"', ("320", "180")),
        ('width="320" height="180" fit="inside"', (None, None)),
    ],
)
def test_an_image_has_the_sides_that_are_known_before_its_capture(wordpress, attributes, sides):
    image = image_of(wordpress("shortcode", f'[thumbnail url="{PAGE}" {attributes}]'))
    assert (image.get("width"), image.get("height")) == sides


def test_a_size_that_the_ladder_lacks_is_no_candidate(wordpress):
    image = image_of(wordpress("shortcode", f'[thumbnail url="{PAGE}" width="1200"]'))
    assert "srcset" not in image
    assert size_of(image["src"]) == (1200, 675)
    wordpress.set(service_url="http://127.0.0.1:1", forget_signing_key="1", default_width="640")
    assert "w=2400" in image_of(wordpress("shortcode", f'[thumbnail url="{PAGE}" width="1200"]'))["srcset"]
    assert "srcset" not in image_of(wordpress("shortcode", f'[thumbnail url="{PAGE}" width="2000"]'))


def test_a_service_without_keys_gets_no_signature(wordpress):
    wordpress.set(service_url="https://thumbs.example.com/below/", forget_signing_key="1", default_width="640")
    assert image_of(wordpress("shortcode", f"[thumbnail url='{PAGE}']"))["src"] == (
        "https://thumbs.example.com/below/thumb?url=https%3A%2F%2Fexample.com%2F&w=640"
    )


@pytest.mark.parametrize(
    "url", ["https://example.com/a'b?q=1&r=%22%24x%22&s=[2]&amp;t=<b>&#91;&lt;#top", "example.com/?a=b&c=d"]
)
def test_it_reads_the_shortcode_that_the_front_door_writes(wordpress, service, url):
    pairs = (
        ("url", url),
        ("w", "320"),
        ("h", "180"),
        ("width", "1000"),
        ("format", "webp"),
        ("full_page", "true"),
        ("selector", 'main[lang="en"] > \\p, $a'),
        ("hide", "a[href^='x\\n'] < b"),
    )
    subject = Subject(pairs, service.url, AccessRules(signing_keys=(service.signing_key,)), (320, 180))
    (shortcode,) = [each.code for each in snippets(subject) if each.name == "wordpress"]
    # Pasted into a Shortcode block or as code; and into a visual editor, which takes it for text.
    for pasted in (shortcode, shortcode.replace("&", "&amp;")):
        address = image_of(wordpress("shortcode", f"<p>{pasted}</p>"))["src"]
        assert options_of(address) == dict(subject.options)
    assert size_of(address) == (320, 180)


def test_a_pdf_is_a_link(wordpress):
    ((tag, attributes),) = Elements(shown := wordpress("shortcode", f'[thumbnail url="{PAGE}" format="pdf"]')).found
    assert tag == "a"
    assert "example.com as a PDF" in shown
    with urlopen(attributes["href"]) as answer:
        assert answer.headers["Content-Type"] == "application/pdf"


@pytest.mark.parametrize(
    ("url", "target"),
    [
        (PAGE, PAGE),
        ("//example.com/a", "https://example.com/a"),
        ("example.com/?a=b&c=d", "https://example.com/?a=b&c=d"),
    ],
)
def test_a_picture_links_to_its_page_where_that_is_asked_for(wordpress, url, target):
    (link, attributes), (image, _) = Elements(wordpress("shortcode", f'[thumbnail url="{url}" link="true"]')).found
    assert (link, attributes, image) == ("a", {"href": target}, "img")
    assert "<a" not in wordpress("shortcode", f'[thumbnail url="{url}" link="false"]')


@pytest.mark.parametrize("attribute", ["url", "alt", "width", "selector", "format", "link", "onerror"])
def test_hostile_attributes_are_harmless(wordpress, attribute):
    for value in HOSTILE:
        for quote in ('"', "'"):
            given = f"{attribute}={quote}{value}{quote}"
            shortcode = f"[thumbnail {given} link=1]" if attribute == "url" else f'[thumbnail url="{PAGE}" {given}]'
            assert_harmless(wordpress("shortcode", shortcode))
            assert_harmless(wordpress("shortcode", shortcode.replace("]", " format=pdf]")))
        assert_harmless(wordpress("block", {"url": PAGE, "link": "true", attribute: value}))


def assert_harmless(shown):
    allowed = {
        "img": {"class", "src", "srcset", "width", "height", "alt", "loading", "decoding"},
        "a": {"href"},
        "span": {"class"},
        "figure": {"class"},
    }
    for tag, attributes in Elements(shown.partition("[thumbnail")[0]).found:
        assert tag in allowed, shown
        assert set(attributes) <= allowed[tag], shown
        for name in {"src", "href"} & set(attributes):
            assert attributes[name].startswith(("http://", "https://")), shown


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (f'url="{PAGE}" colour="red"', "colour: no such attribute. There are url, width"),
        (f'url="{PAGE}" sig="0"', "sig: no such attribute"),
        (f'url="{PAGE}" cookies="a=b"', "cookies: no such attribute"),
        (f'url="{PAGE}" width="100%"', "width: must be a whole number of pixels"),
        ('url="javascript:alert(1)"', "url: must be the http:// or https:// URL of a page"),
        ("", "url: must be"),
        (f'url="{PAGE}" hide="a&#10;b"', "hide: must not contain a line break"),
    ],
)
def test_editors_learn_what_is_wrong_and_visitors_see_nothing(wordpress, attributes, words):
    wordpress("user", "contributor")
    assert words in wordpress("shortcode", f"[thumbnail {attributes}]")
    wordpress("user", "visitor")
    assert wordpress("shortcode", f"a[thumbnail {attributes}]b") == "ab"


def test_without_an_address_of_the_service_editors_learn_where_to_enter_it(wordpress):
    wordpress("forget")
    assert "Settings → Thumbnail Service" in wordpress("shortcode", f'[thumbnail url="{PAGE}"]')
    wordpress("user", "visitor")
    assert wordpress("shortcode", f'[thumbnail url="{PAGE}"]') == ""


def test_the_services_script_is_on_the_page_once(wordpress, service):
    for _ in range(2):
        wordpress("shortcode", f'[thumbnail url="{PAGE}"]')
    (script,) = [each for each in wordpress("scripts") if each and "thumbs.js" in each]
    with urlopen(script) as answer:
        assert answer.headers.get_content_type() == "text/javascript"


def test_a_block_shows_what_the_shortcode_shows(wordpress):
    given = {"url": PAGE, "width": "320", "dark_mode": "true"}
    text = " ".join(f'{name}="{value}"' for name, value in given.items())
    shown = wordpress("block", given | {"height": ""})
    assert shown.startswith('<figure class="')
    assert wordpress("shortcode", f"[thumbnail {text}]") in shown
    wordpress("user", "visitor")
    assert wordpress("block", given | {"width": "wide"}) == ""


def test_the_scripts_of_the_editor_are_scripts(process):
    if shutil.which("node") is None:
        pytest.skip("no node on this machine")
    for name in ("BLOCK_SCRIPT", "BUTTON_SCRIPT"):
        code = f"void ({process('constant', name)})"
        done = subprocess.run(["node", "--check", "-"], input=code, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_settings_page_never_shows_a_key(wordpress, service):
    page = wordpress("page")
    assert service.url in page
    assert 'name="_wpnonce"' in page
    assert service.api_key not in page
    assert service.signing_key not in page
    assert page.count("stored; leave empty to keep it") == 2


def test_settings_are_cleaned_and_an_empty_key_keeps_the_stored_one(wordpress, service):
    assert not wordpress.set(service_url=f" {service.url}/ ", signing_key="", api_key=" new ", default_width="320")
    stored = wordpress("stored")
    assert stored == {
        "service_url": service.url,
        "signing_key": service.signing_key,
        "api_key": "new",
        "default_width": 320,
    }
    assert not wordpress.set(service_url=service.url, forget_signing_key="1", default_width="320")
    assert wordpress("stored") == stored | {"signing_key": ""}


@pytest.mark.parametrize(
    ("name", "value", "label"),
    [
        ("service_url", "javascript:alert(1)", "Address of the service"),
        ("service_url", "https://user:secret@example.com", "Address of the service"),
        ("service_url", 'https://example.com/"><script>', "Address of the service"),
        ("service_url", "https://example.com/?a=b", "Address of the service"),
        ("api_key", "a\r\nX-Other: b", "API key"),
        ("signing_key", "ü", "Signing key"),
        ("default_width", "7", "Default width"),
        ("default_width", ["640"], "Default width"),
    ],
)
def test_a_setting_that_is_wrong_is_named_and_not_stored(wordpress, service, name, value, label):
    before = wordpress("stored")
    complaints = wordpress.set(**{"service_url": service.url, "default_width": "640"} | {name: value})
    assert [each.partition(":")[0] for each in complaints] == [label]
    assert wordpress("stored") == before


def test_the_button_stores_a_picture_and_notes_it_at_the_post(wordpress, service, post):
    status, answer = wordpress("generate", post, {"url": "https://example.com/a?b=c&d=e", "width": 640})
    assert (status, answer["featured_media"]) == (200, 0)
    assert size_of(answer["url"]) == (640, 360)
    assert wordpress("meta", post, "_thumbnail_service_url") == answer["url"]
    box = Elements(text := wordpress("box", post)).found
    assert ("a", {"href": answer["url"], "target": "_blank"}) in box
    assert "https://example.com/a?b=c&d=e" in [attributes.get("value") for _, attributes in box]
    assert service.api_key not in text


def test_a_featured_image_is_a_copy_in_the_media_library(wordpress, post):
    asked = {"url": "https://example.com/featured", "featured": True}
    status, answer = wordpress("generate", post, asked)
    assert status == 200
    assert wordpress("meta", post, "_thumbnail_id") == str(answer["featured_media"])
    with Image.open(file := Path(wordpress("file", answer["featured_media"]))) as image:
        assert (image.format, image.size) == ("JPEG", (1200, 675))
    assert wordpress("generate", post, asked) == [200, answer]
    file.unlink()


def test_only_those_who_may_edit_the_post_may_press_the_button(wordpress, service, post):
    theirs = wordpress("post", "contributor")
    before = len(service.api.calls)
    for role, number, expected in (
        ("contributor", post, 403),
        ("visitor", theirs, 401),
        ("administrator", 10**9, 403),
    ):
        wordpress("user", role)
        status, _ = wordpress("generate", number, {"url": "https://example.com/rights"})
        assert (role, status) == (role, expected)
    assert len(service.api.calls) == before
    wordpress("user", "contributor")
    assert wordpress("generate", theirs, {"url": PAGE, "featured": True})[0] == 403
    assert wordpress("generate", theirs, {"url": PAGE, "width": 640})[0] == 200


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"url": "http://10.0.0.1/"}, "The thumbnail service says: url: "),
        ({"url": PAGE, "width": 77}, "The thumbnail service says: w, h: must be one of"),
    ],
)
def test_the_button_says_in_words_what_the_service_refuses(wordpress, post, asked, words):
    status, answer = wordpress("generate", post, asked)
    assert status == 400
    assert answer["message"].startswith(words)
    assert wordpress("meta", post, "_thumbnail_service_url") == ""


def test_a_wrong_key_and_an_address_that_gives_no_answer_say_so(wordpress, service, post):
    wordpress.set(service_url=service.url, api_key="wrong", default_width="640")
    status, answer = wordpress("generate", post, {"url": PAGE})
    assert status == 502
    assert "does not accept the API key" in answer["message"]
    wordpress.set(service_url=f"http://127.0.0.1:{free_port()}", default_width="640")
    status, answer = wordpress("generate", post, {"url": PAGE})
    assert (status, answer["code"]) == (502, "thumbnail_service_unreachable")
    wordpress("user", "contributor")
    status, answer = wordpress("generate", wordpress("post", "contributor"), {"url": PAGE})
    assert answer["message"] == "The thumbnail service gives no answer."


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        ("302 Found", b"", "answered with status 302"),
        ("200 OK", b"<html>", "answered with status 200. Is its address right?"),
        ("200 OK", b'{"url": "javascript:alert(1)"}', "answered with status 200"),
        ("429 Too Many", b'{"detail": "limit reached: 5 calls per minute"}', "per minute. Try again in 30 seconds."),
    ],
)
def test_a_key_follows_no_redirect_and_odd_answers_store_nothing(wordpress, post, status, body, words):
    reached = []

    def elsewhere(environ, start_response):
        reached.append(environ["HTTP_AUTHORIZATION"])
        start_response(status, [("Location", f"{away}/other"), ("Retry-After", "30"), ("Content-Type", "text/html")])
        return [body]

    with serving(elsewhere) as away:
        wordpress.set(service_url=away, default_width="640")
        _, answer = wordpress("generate", post, {"url": PAGE})
    assert words in answer["message"]
    assert len(reached) == 1
    assert wordpress("meta", post, "_thumbnail_service_url") == ""


def test_nothing_of_it_is_left_when_it_is_deleted(wordpress, post):
    wordpress("generate", post, {"url": PAGE, "width": 640})
    wordpress("uninstall")
    assert wordpress("stored") is None
    assert wordpress("meta", post, "_thumbnail_service_url") == ""
    assert wordpress("meta", post, "_thumbnail_service_page") == ""


def test_the_shortcodes_of_the_docs_show_pictures(wordpress):
    docs = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    written = [line for line in docs.splitlines() if line.startswith("[thumbnail ")]
    assert len(written) >= 2
    for line in written:
        assert size_of(image_of(wordpress("shortcode", line))["src"])

"""clients/mcp against the running service: the official client starts it, and speaks to it over stdio."""

import base64
import io
import json
import os
import subprocess
import sys
import threading
import tomllib
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from anyio.from_thread import start_blocking_portal
from mcp import Client, StdioServerParameters
from PIL import Image

from tests.support.browser import serving
from tests.support.processes import free_port, running, wait_until
from tests.support.screenshot_api import drawn, refuse, with_mark

sys.path.insert(0, str(Path(__file__).parents[2] / "clients" / "python"))
sys.path.insert(0, str(Path(__file__).parents[2] / "clients" / "mcp"))
from thumbnail_client import Client as ServiceClient
from thumbnail_mcp.server import build
from thumbnail_mcp.settings import Settings, UnusableSetting

ROOT = Path(__file__).parents[2]
PAGE = "https://example.com/assistant"
RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)
LONGEST_SIDE, MOST_BYTES = 1600, 700_000


def environ(**settings):
    paths = os.pathsep.join(str(ROOT / "clients" / name) for name in ("python", "mcp"))
    return {"PYTHONPATH": paths, "PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"} | settings


@contextmanager
def assistant(server):
    """Connect as an assistant does, and yield how it lists and calls tools."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Client(server)) as session:

        def call(tool, **arguments):
            return portal.call(session.call_tool, tool, arguments)

        yield SimpleNamespace(call=call, tools=lambda: portal.call(session.list_tools).tools, session=session)


def over_stdio(**settings):
    return StdioServerParameters(command=sys.executable, args=["-m", "thumbnail_mcp"], env=environ(**settings))


def in_process(**settings):
    """The server without a process of its own, which takes a second to start: what it answers is the same."""
    return build(Settings.of(settings))


@pytest.fixture(scope="module")
def tools(service):
    keys = {"THUMBNAIL_API_KEY": service.api_key, "THUMBNAIL_SIGNING_KEY": service.signing_key}
    with assistant(over_stdio(THUMBNAIL_URL=service.url, **keys)) as connected:
        yield connected


@pytest.fixture(scope="module")
def sites(service):
    return ServiceClient(service.url, service.api_key)


def seen(answer):
    """The picture and the facts of an answer."""
    assert not answer.is_error, answer.content
    assert answer.structured_content is None  # some programs would show the model that alone, without the picture
    picture, facts = answer.content
    body = base64.b64decode(picture.data)
    image = Image.open(io.BytesIO(body))
    assert picture.mime_type == Image.MIME[image.format]
    assert max(image.size) <= LONGEST_SIDE
    assert len(body) <= MOST_BYTES
    facts = json.loads(facts.text)
    assert (facts["shown_width"], facts["shown_height"], facts["bytes"]) == (*image.size, len(body))
    return image, facts


def error(answer):
    assert answer.is_error
    (text,) = answer.content
    assert "Traceback" not in text.text
    return text.text


def test_each_tool_says_what_it_does_and_which_arguments_it_takes(tools):
    listed = {tool.name: tool for tool in tools.tools()}
    assert set(listed) == {"capture", "capture_page_metadata", "list_sites", "diff"}
    for tool in listed.values():
        assert len(tool.description) > 100
        assert tool.input_schema["additionalProperties"] is False
        assert all(told["description"] for told in tool.input_schema["properties"].values())
    width = listed["capture"].input_schema["properties"]["width"]
    assert {"type": "integer", "minimum": 320, "maximum": 3840} in width["anyOf"]
    assert listed["list_sites"].annotations.read_only_hint
    assert not listed["diff"].annotations.read_only_hint
    assert "never as instructions" in tools.session.instructions


def test_a_page_is_seen_with_what_is_known_of_it(tools, service):
    service.api.behave(saying(url="https://example.com/moved", status=200, title="Moved"), url=PAGE)
    image, facts = seen(tools.call("capture", url=PAGE))
    assert image.size == (1280, 720)
    assert facts["final_url"] == "https://example.com/moved"
    assert (facts["title"], facts["status"], facts["cache"]) == ("Moved", 200, "MISS")
    assert (facts["page_width"], facts["page_height"], facts["parts"]) == (1280, 720, 1)

    captures = len(service.api.calls)
    assert seen(tools.call("capture", url=PAGE))[1]["cache"] == "HIT"
    assert len(service.api.calls) == captures
    seen(tools.call("capture", url=PAGE, fresh=True))
    assert len(service.api.calls) == captures + 1


def test_arguments_reach_the_capture(tools, service):
    given = {"width": 800, "height": 600, "dark_mode": True, "delay": 50, "wait_for": "h1", "selector": "main"}
    seen(tools.call("capture", url=PAGE, **given))
    taken = service.api.calls[-1].params
    assert {name: taken[name] for name in given} == {
        name: str(value).lower() if isinstance(taken[name], str) else value for name, value in given.items()
    }
    assert seen(tools.call("capture", url=PAGE, device="iphone-14"))[1]["page_width"] == 1170


def test_a_page_larger_than_an_answer_is_reduced_and_read_in_parts(tools, service):
    url = "https://example.com/tall"
    service.api.behave(bands, url=url)
    image, facts = seen(tools.call("capture", url=url, full_page=True))
    assert (image.size, facts["page_height"], facts["parts"]) == ((512, 1600), 4000, 3)

    captures = len(service.api.calls)
    parts = [seen(tools.call("capture", url=url, full_page=True, part=part))[0] for part in (1, 2, 3)]
    assert [part.size for part in parts] == [(1280, 1600), (1280, 1600), (1280, 800)]
    assert [[colour for _, colour in part.convert("RGB").getcolors()] for part in parts] == [[RED], [GREEN], [BLUE]]
    assert "the picture has 3 parts" in error(tools.call("capture", url=url, full_page=True, part=4))
    assert len(service.api.calls) == captures


def test_a_sharp_wide_page_stays_within_the_bounds(tools, service):
    url = "https://example.com/wide"
    service.api.behave(noise(2400, 1500), url=url)
    image, facts = seen(tools.call("capture", url=url, width=2400, height=1500))
    assert facts["page_width"] == 2400
    assert image.width / image.height == pytest.approx(2400 / 1500, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"url": "http://10.0.0.1/"}, ["(code blocked_url, status 400, field url)", "The same call would fail again"]),
        ({"url": "not a page"}, ["code invalid_url", "field url"]),
        ({"url": PAGE, "device": "nokia-3310"}, ["code invalid_option", "field device"]),
        ({"url": PAGE, "width": 5}, ["width", "greater than or equal to 320"]),
        ({"url": PAGE, "part": -1}, ["part"]),
        ({"url": PAGE, "colour": "red"}, ["colour", "not permitted"]),
        ({}, ["url", "required"]),
    ],
)
def test_a_page_that_cannot_be_captured_is_an_error_in_words(tools, service, arguments, words):
    captures = len(service.api.calls)
    told = error(tools.call("capture", **arguments))
    assert all(word in told for word in words), told
    assert len(service.api.calls) == captures


def test_an_error_that_may_pass_says_when_to_retry(tools, service):
    url = "https://example.com/failing"
    service.api.behave(refuse(422, "connection_refused", "nothing listens"), times=9, url=url)
    told = error(tools.call("capture", url=url))
    assert "(code connection_refused, status 502)" in told
    assert "Retry after" in told or "may work later" in told


def test_metadata_are_read_in_the_page_load_of_the_picture(tools, service):
    url = "https://example.com/described"
    service.api.behave(saying(url=url, status=200, title="A garden", description="Twelve of them"), url=url)
    seen(tools.call("capture", url=url))
    captures = len(service.api.calls)
    answer = tools.call("capture_page_metadata", url=url)
    assert answer.structured_content["description"] == "Twelve of them"
    assert json.loads(answer.content[0].text)["title"] == "A garden"
    assert len(service.api.calls) == captures
    assert "code blocked_url" in error(tools.call("capture_page_metadata", url="http://[::1]/"))
    assert "nor" not in error(tools.call("capture_page_metadata", url="a\nb"))


def test_sites_are_listed_by_filters_and_page_by_page(tools, sites):
    for number in range(3):
        sites.add_site(f"https://example.com/listed/{number}", tags=["listed", f"t{number}"], capture=False)
    first = tools.call("list_sites", tags=["listed"], limit=2, sort="added").structured_content
    assert (first["total"], [site["url"][-1] for site in first["sites"]]) == (3, ["2", "1"])
    rest = tools.call("list_sites", tags=["listed"], limit=2, sort="added", cursor=first["next"]).structured_content
    assert ([site["url"][-1] for site in rest["sites"]], rest["next"]) == (["0"], None)
    (only,) = tools.call("list_sites", tags=["listed", "t1"]).structured_content["sites"]
    assert (only["status"], only["version"]) == ("pending", None)

    assert "field cursor" in error(tools.call("list_sites", cursor="nonsense"))
    assert "field changed_since" in error(tools.call("list_sites", changed_since="yesterday"))
    assert "status" in error(tools.call("list_sites", status="broken"))


@pytest.fixture(scope="module")
def site(service, sites):
    """A site with two versions."""
    url = "https://example.com/compared"
    added = sites.add_site(url, schedule="never")
    wait_until(lambda: sites.site(added["id"])["status"] == "ready", "the first capture")
    service.api.behave(with_mark(60, 40), url=url)
    sites.capture_site(added["id"])
    wait_until(lambda: len(list(sites.versions(added["id"]))) == 2, "the second version")
    return SimpleNamespace(id=added["id"], url=url)


def test_two_versions_of_a_site_are_compared(tools, site):
    image, facts = seen(tools.call("diff", site_id=site.id))
    assert image.size == (1280, 720)
    assert (facts["from"]["number"], facts["to"]["number"]) == (1, 2)
    assert 0 < facts["change"] < 1
    assert facts["region"]["width"] == pytest.approx(60, abs=8)
    red, green, _ = image.convert("RGB").getpixel((650, 370))
    assert red > green
    assert seen(tools.call("diff", site_id=site.id, older=1, newer=2))[1] == facts


def test_a_known_version_is_compared_with_the_page_as_it_is(tools, service, site):
    service.api.behave(with_mark(200, 100), url=site.url)
    _, facts = seen(tools.call("diff", site_id=site.id, capture_now=True))
    assert (facts["from"]["number"], facts["to"]["number"]) == (2, 3)
    service.api.behave(with_mark(200, 100), url=site.url)
    _, facts = seen(tools.call("diff", site_id=site.id, capture_now=True))  # nothing has changed
    assert (facts["from"]["number"], facts["to"]["number"], facts["change"]) == (3, 3, 0)


def test_what_cannot_be_compared_is_an_error_in_words(tools, service, sites, site):
    assert "code not_found" in error(tools.call("diff", site_id=999_999))
    assert "code not_found" in error(tools.call("diff", site_id=site.id, older=1, newer=77))
    assert "send both" in error(tools.call("diff", site_id=site.id, older=1))
    assert "leave it out" in error(tools.call("diff", site_id=site.id, newer=1, capture_now=True))
    new = sites.add_site("https://example.com/never-captured", capture=False, schedule="never")
    assert "no version yet" in error(tools.call("diff", site_id=new["id"], capture_now=True))
    assert "has 0 versions" in error(tools.call("diff", site_id=new["id"]))

    service.api.behave(refuse(422, "certificate", "expired"), times=9, url=site.url)
    assert "(code certificate)" in error(tools.call("diff", site_id=site.id, capture_now=True))
    sites.change_site(site.id, paused=True)
    assert "paused" in error(tools.call("diff", site_id=site.id, capture_now=True))


def test_an_operator_is_told_which_key_is_missing_and_no_key_is_shown(service):
    with assistant(in_process(THUMBNAIL_URL=service.url)) as tools:
        assert "sets THUMBNAIL_API_KEY" in error(tools.call("capture", url=PAGE))
        assert "sets THUMBNAIL_SIGNING_KEY" in error(tools.call("capture_page_metadata", url=PAGE))
    with assistant(in_process(THUMBNAIL_URL=service.url, THUMBNAIL_API_KEY="a-wrong-secret")) as tools:
        told = error(tools.call("capture", url=PAGE))
        assert "corrects THUMBNAIL_API_KEY" in told
        assert "a-wrong-secret" not in told
    with assistant(in_process(THUMBNAIL_URL=service.url, THUMBNAIL_API_KEY=service.api_key)) as tools:
        _, facts = seen(tools.call("capture", url=PAGE))
        assert facts["final_url"] is None
        assert "THUMBNAIL_SIGNING_KEY" in facts["final_url_unknown"]
    with assistant(in_process(THUMBNAIL_URL=service.url, THUMBNAIL_SIGNING_KEY=service.signing_key)) as tools:
        assert seen(tools.call("capture", url=PAGE, wait_for="h1"))[1]["cache"] == "MISS"
        assert "line break" in error(tools.call("capture", url=PAGE, wait_for="a\nb"))


def test_a_service_that_is_not_there_is_an_error_in_words():
    with assistant(in_process(THUMBNAIL_URL=f"http://127.0.0.1:{free_port()}")) as tools:
        assert "checks THUMBNAIL_URL" in error(tools.call("capture", url=PAGE))
        assert "checks THUMBNAIL_URL" in error(tools.call("list_sites"))


def test_a_server_that_is_no_thumbnail_service_brings_nothing_down():
    def other(_environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"<title>Sign in</title>"]

    with serving(other) as url, assistant(in_process(THUMBNAIL_URL=url)) as tools:
        for name, arguments in (("capture", {"url": PAGE}), ("list_sites", {}), ("diff", {"site_id": 1})):
            assert "is it the thumbnail service" in error(tools.call(name, **arguments))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("THUMBNAIL_URL", "localhost:8000"),
        ("THUMBNAIL_URL", "http://user:secret@localhost"),
        ("THUMBNAIL_URL", "http://localhost:nine"),
        ("THUMBNAIL_API_KEY", "secret\r\nX-Other: 1"),
        ("THUMBNAIL_MCP_PORT", "0"),
    ],
)
def test_a_setting_that_cannot_work_is_named_and_never_shown(name, value):
    with pytest.raises(UnusableSetting, match=f"^{name}: must ") as refused:
        Settings.of({name: value})
    assert "secret" not in str(refused.value)


def test_it_does_not_start_with_a_setting_that_cannot_work():
    command, settings = [sys.executable, "-m", "thumbnail_mcp"], environ(THUMBNAIL_URL="localhost:8000")
    done = subprocess.run(command, env=settings, capture_output=True, text=True, input="", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("thumbnail-mcp: THUMBNAIL_URL: must be the service's address")


def test_it_serves_http_on_loopback_and_to_no_web_page(service):
    port = free_port()
    settings = {"THUMBNAIL_URL": service.url, "THUMBNAIL_API_KEY": service.api_key, "THUMBNAIL_MCP_PORT": str(port)}
    url = f"http://127.0.0.1:{port}/mcp"
    with running([sys.executable, "-m", "thumbnail_mcp"], port, env=environ(**settings)):
        with assistant(url) as tools:
            assert seen(tools.call("capture", url=PAGE))[0].size == (1280, 720)
            assert "code blocked_url" in error(tools.call("capture", url="http://127.0.0.1/"))
        assert status(url, {"Host": "attacker.example"}) == 421
        assert status(url, {"Origin": "https://attacker.example"}) == 403


def test_the_configuration_of_the_docs_starts_it(service):
    docs = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8").partition("## Assistants")[2]
    (written,) = json.loads(docs.partition("```json\n")[2].partition("```")[0])["mcpServers"].values()
    scripts = tomllib.loads((ROOT / "clients" / "mcp" / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "scripts"
    ]
    assert scripts[written["command"]] == "thumbnail_mcp.__main__:main"
    real = {"http://localhost:8000": service.url, "one of API_KEYS": service.api_key}
    real["one of SIGNING_KEYS"] = service.signing_key
    with assistant(over_stdio(**{name: real[value] for name, value in written["env"].items()})) as tools:
        _, facts = seen(tools.call("capture", url=PAGE))
        assert "final_url_unknown" not in facts


def test_answers_do_not_wait_for_one_that_lasts(tools, service):
    gate, held = threading.Event(), "https://example.com/held"
    service.api.hold(gate, held)
    slow = threading.Thread(target=tools.call, args=("capture",), kwargs={"url": held})
    slow.start()
    try:
        wait_until(lambda: any(call.params["url"] == held for call in service.api.calls), "the capture")
        assert tools.call("list_sites").structured_content["total"] >= 0
        assert slow.is_alive()
    finally:
        gate.set()
        slow.join()
        service.api.reset()


def saying(**metadata):
    """Answer with a picture and what its page says of itself."""

    def behaviour(answer):
        body, content_type = drawn(answer)
        answer.reply(200, body, {"Content-Type": content_type, "X-Page-Metadata": json.dumps(metadata)})

    return behaviour


def bands(answer):
    """Answer with a tall page: 1,600 red rows, 1,600 green ones, 800 blue ones."""
    image = Image.new("RGB", (1280, 4000), RED)
    image.paste(GREEN, (0, 1600, 1280, 3200))
    image.paste(BLUE, (0, 3200, 1280, 4000))
    target = io.BytesIO()
    image.save(target, "PNG")
    answer.reply(200, target.getvalue(), {"Content-Type": "image/png"})


def noise(width, height):
    """Answer with a picture that compresses badly."""

    def behaviour(answer):
        target = io.BytesIO()
        Image.effect_noise((width, height), 90).convert("RGB").save(target, "PNG", compress_level=1)
        answer.reply(200, target.getvalue(), {"Content-Type": "image/png"})

    return behaviour


def status(url, headers):
    request = Request(url, b"{}", {"Content-Type": "application/json", "Accept": "application/json"} | headers)
    try:
        with urlopen(request, timeout=5) as answer:
            return answer.status
    except HTTPError as err:
        with err:
            return err.code

"""`thumbnails capture` and `thumbnails purge`."""

import json
from io import BytesIO

import pytest
from PIL import Image

from tests.support.command_line import facts, runner_for
from tests.support.databases import ON_SQLITE
from tests.support.screenshot_api import refuse
from tests.support.visitors import PAGE

pytestmark = ON_SQLITE


def test_a_picture_is_written_into_a_file(thumbnails, tmp_path):
    file = tmp_path / "page.webp"
    done = thumbnails("capture", "example.com", "-o", "w=320", "--output", file)

    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{file}: 320 x ")
    assert Image.open(BytesIO(file.read_bytes())).format == "WEBP"


def test_programs_get_the_facts_as_json(thumbnails, tmp_path, api):
    file = tmp_path / "page.png"
    first = facts(thumbnails("--json", "capture", PAGE, "-f", file))
    again = facts(thumbnails("--json", "capture", PAGE, "-f", file))
    fresh = facts(thumbnails("--json", "capture", PAGE, "-f", file, "--fresh"))

    assert [each["cache"] for each in (first, again, fresh)] == ["MISS", "HIT", "MISS"]
    assert (first["url"], first["bytes"], first["content_type"]) == (PAGE, file.stat().st_size, "image/png")
    assert len(api.calls) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ftp://example.com/"], "url: must start with http:// or https://"),
        (["https://10.0.0.1/"], "not a public web address"),
        ([PAGE, "-o", "w=0"], "w: "),
        ([PAGE, "-o", "w"], "name=value"),
        ([PAGE, "-o", "wide=1"], "wide"),
        ([PAGE, "-f", "page.gif"], ".png"),
        ([PAGE, "-f", "/nowhere/page.png"], "No such file"),
    ],
)
def test_a_wrong_argument_is_named(thumbnails, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    done = thumbnails("capture", *arguments)

    assert done.exit_code != 0
    assert words in done.stderr
    assert "Traceback" not in done.output


def test_the_reason_of_a_failed_capture_is_told(thumbnails, tmp_path, api):
    api.behave(refuse(404, "page_status"), times=1)
    done = thumbnails("capture", PAGE, "-f", tmp_path / "page.png")

    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ")
    assert not (tmp_path / "page.png").exists()


def test_a_blocked_page_is_not_captured_either(make_built, tmp_path):

    done = runner_for(make_built(blocked_targets="example.com"))("capture", PAGE, "-f", tmp_path / "page.png")

    assert (done.exit_code, "not shown here" in done.stderr) == (1, True)


def test_a_purge_says_what_it_did(thumbnails, tmp_path):
    thumbnails("capture", PAGE, "-f", tmp_path / "page.png")
    done = thumbnails("--json", "purge", "--host", "example.com")
    assert facts(done) | {"captured_before": ""} == {
        "purged": "host", "captured_before": "", "scopes": 1, "caches": {},
    }  # fmt: skip
    assert "MISS" in thumbnails("capture", PAGE, "-f", tmp_path / "page.png").stdout
    assert "Purged all: " in thumbnails("purge", "--older-than", "3600").stdout


def test_a_purge_of_nothing_or_of_two_things_is_refused(thumbnails):
    assert "give one of --url, --host" in thumbnails("purge").stderr
    assert "--host, --all: send only one of them" in thumbnails("purge", "--all", "--host", "example.com").stderr
    assert "--older-than: must be an age in seconds" in thumbnails("purge", "--older-than", "soon").stderr
    assert "--site: must be" in thumbnails("purge", "--site", "0").stderr


def test_a_picture_may_go_to_standard_output(thumbnails):
    done = thumbnails("--json", "capture", PAGE, "-o", "w=320", "-o", "format=webp", "-f", "-")

    assert Image.open(BytesIO(done.stdout_bytes)).format == "WEBP"
    told = json.loads(done.stderr.splitlines()[-1])
    assert (told["file"], told["bytes"]) == ("-", len(done.stdout_bytes))


def test_a_signature_needs_no_redis_and_a_purge_says_which(make_built):
    run = runner_for(make_built(redis_url="redis://127.0.0.1:1/0", signing_keys="0123456789abcdef0123456789abcdef"))
    signed, purged = run("sign", PAGE), run("purge", "--all")

    assert (signed.exit_code, signed.stderr) == (0, "")
    assert (purged.exit_code, "check REDIS_URL" in purged.stderr) == (1, True)


def test_a_page_is_explained_without_a_capture(thumbnails, api):
    told = facts(thumbnails("--json", "explain", PAGE, "-o", "w=320"))
    words = thumbnails("explain", PAGE, "-o", "w=320", "--client", "198.51.100.7").stdout

    assert (told["request"]["x_cache"], told["request"]["captures"]) == ("MISS", 1)
    assert told["cache"]["memory"] == "not seen from here"
    assert "why: the page is captured" in words
    assert "client: 198.51.100.7" in words
    assert api.calls == []


def test_what_cannot_be_explained_is_said(thumbnails):
    done = thumbnails("explain", PAGE, "-o", "wide=1")
    assert (done.exit_code, "wide" in done.stderr) == (1, True)

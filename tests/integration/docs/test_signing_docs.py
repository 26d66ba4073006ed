"""The snippets of docs/signing.md make URLs that the service accepts."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from access import sign
from path_form import write_path

DOCS = (Path(__file__).parents[3] / "docs" / "signing.md").read_text(encoding="utf-8")
KEY = "a-signing-key-of-the-docs"
OPTIONS = {
    "url": "https://example.com/a?b=ü&c=d e"[:-2],
    "width": "800",
    "full_page": "1",
    "w": "320",
    "format": "webp",
}
CALLS = {
    "python": (sys.executable, "-c", "import sys, json\n{code}\nprint({function}({key}, json.loads({options})))"),
    "php": ("php", "-r", "{code}\necho {function}({key}, json_decode({options}, true));"),
    "js": ("node", "-e", "{code}\nconsole.log({function}({key}, JSON.parse({options})))"),
}


def snippet(language):
    (code,) = re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    return code


@pytest.mark.parametrize("language", CALLS)
def test_a_snippet_signs_a_url_that_is_served(make_client, language):
    url = run(language, OPTIONS)
    client = make_client(signing_keys=KEY)

    assert client.get(url).status_code == 200
    assert client.get(url.replace("width=800", "width=801")).status_code == 403


@pytest.mark.parametrize("language", CALLS)
def test_a_snippet_covers_format_pdf_in_the_signature(make_client, language):
    client = make_client(signing_keys=KEY)
    answer = client.get(run(language, {"url": "https://example.com/", "format": "pdf"}))

    assert (answer.status_code, answer.content_type) == (200, "application/pdf")
    assert client.get(run(language, {"url": "https://example.com/"}) + "&format=pdf").status_code == 403


@pytest.mark.parametrize("language", CALLS)
def test_a_snippet_signs_options_of_every_type_as_it_sends_them(make_client, language):
    options = {"url": "https://example.com/", "full_page": False, "dark_mode": True, "scale": 2.0, "width": 800}

    assert make_client(signing_keys=KEY).get(run(language, options)).status_code == 200


@pytest.mark.parametrize("language", CALLS)
def test_a_snippet_writes_a_path_that_is_served(make_client, language):
    client = make_client(signing_keys=KEY)
    options = OPTIONS | {"hide": ".a, .b/c", "format": "jpg", "v": "7", "dark_mode": True}
    path = run(language, options, "thumbnail_path")

    assert (path.partition(",")[0], path[-4:]) == ("/t/width=800", ".jpg")
    assert client.get(path).content_type == "image/jpeg"
    assert client.get(path.replace("width=800", "width=801")).status_code == 403
    assert client.get(run(language, options).replace("v=7", "v=8")).headers["X-Cache"] == "HIT"


@pytest.mark.parametrize("language", CALLS)
def test_a_snippet_writes_a_path_for_the_format_that_the_browser_likes(make_client, language):
    """`auto` ends no file's name, so it stays among the options."""
    path = run(language, {"url": "https://example.com/a", "w": "320", "format": "auto"}, "thumbnail_path")
    answer = make_client(signing_keys=KEY).get(path, headers={"Accept": "image/webp,*/*"})

    assert (answer.status_code, answer.content_type) == (200, "image/webp"), path


def test_the_vectors_are_those_of_the_service(make_client):
    section = DOCS.partition("## Test vectors")[2].partition("\n## ")[0]
    vectors = re.findall(r"^\| `(.+)` \| `([0-9a-f]{64})` \|$", section, re.MULTILINE)
    client = make_client(signing_keys=KEY)

    assert len(vectors) == 5
    for lines, signature in vectors:
        options = dict(line.split("=", 1) for line in lines.split("\\n"))
        assert sign(KEY, options.items()) == signature
        assert client.get("/thumb", query_string=options | {"sig": signature}).status_code == 200
        assert client.get(write_path((options | {"sig": signature}).items())).headers["X-Cache"] == "HIT"
    addresses = re.findall(r"^(/\S+)$", section, re.MULTILINE)
    assert [client.get(each).status_code for each in addresses] == [200] * 4


def run(language, options, name="thumbnail"):
    interpreter, flag, program = CALLS[language]
    if shutil.which(interpreter) is None:
        pytest.skip(f"no {interpreter} on this machine")
    options = json.dumps(json.dumps(options)).replace("$", "\\$")
    text = (
        program.replace("{function}", name)
        .replace("{code}", snippet(language))
        .replace("{key}", json.dumps(KEY))
        .replace("{options}", options)
    )
    return subprocess.run([interpreter, flag, text], check=True, capture_output=True, text=True).stdout.strip()

"""A static site of Eleventy names the cards that were built before it: the recipe of docs/static-cards.md."""

import os
import re
import shlex
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import services
from config import Settings
from tests.support.command_line import runner_for
from tests.support.node import installed
from tests.support.screenshot_api import render, running_screenshot_api

DOCS = (Path(__file__).parents[2] / "docs" / "static-cards.md").read_text(encoding="utf-8")
POSTS = {
    "hello.md": "title: Hello",
    "2026-11-29-dated.md": "title: Dated",
    "2026/ink.md": "title: Ink",
    "bundle/index.md": "title: Bundle",
}


def recipe(heading):
    """Return the code blocks of a generator's recipe."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", DOCS, flags=re.MULTILINE | re.DOTALL)[1]
    return re.findall(r"^```\w+\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def thumbnails(settings, resolver):
    with running_screenshot_api("engine") as api:
        api.behave(
            lambda answer: answer.reply(200, render("a", 1200, 630, "png"), {"Content-Type": "image/png"}), times=100
        )
        given = settings | {"capture_api": "engine", "capture_url": api.url, "capture_api_key": None}
        built = services.build(Settings.of(**given), resolver)
        yield runner_for(built)
        built.close()


def test_each_page_of_eleventy_has_its_card(thumbnails, tmp_path, monkeypatch):
    home = installed(Path(__file__).parent / "eleventy")
    command, config, meta = recipe("Eleventy")
    (tmp_path / "node_modules").symlink_to(home / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "eleventy.config.js").write_text(config)
    (tmp_path / "_includes").mkdir()
    (tmp_path / "_includes/post.njk").write_text(
        f"<!doctype html><title>{{{{ title }}}}</title>{meta}{{{{ content | safe }}}}"
    )
    for name, matter in POSTS.items():
        (tmp_path / "posts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "posts" / name).write_text(f"---\n{matter}\nlayout: post.njk\n---\nText\n")
    monkeypatch.chdir(tmp_path)

    ours, theirs = command.strip().split(" && ")
    assert shlex.split(ours)[0] == "thumbnails"
    assert thumbnails(*shlex.split(ours)[1:]).stdout == "og: 4 built\n"
    assert theirs == "npx @11ty/eleventy"
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    eleventy = ["node", str(home / "node_modules/@11ty/eleventy/cmd.cjs"), "--quiet"]
    done = subprocess.run(eleventy, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr

    pages = sorted((tmp_path / "_site/posts").rglob("*.html"))
    assert len(pages) == len(POSTS)
    for page in pages:
        (address,) = re.findall(r'property="og:image" content="([^"]+)"', page.read_text())
        assert (tmp_path / "_site" / urlsplit(address).path[1:]).is_file(), address

"""`thumbnails cards build`: the cards of a static site, from the front matter of its pages."""

from io import BytesIO

import pytest
from PIL import Image

import services
from config import Settings
from tests.support.command_line import facts, runner_for
from tests.support.screenshot_api import refuse, render, running_screenshot_api


def draw(answer):
    """Draw a document or a page, unless one is unlucky."""
    shown = str(answer.params.get("html") or answer.params["url"])
    if "Unlucky" in shown or "unlucky" in str(answer.params.get("url")):
        refuse(500, "internal_error")(answer)
        return
    sides = (
        round(int(answer.params.get(name, 800)) * float(answer.params.get("scale", 1))) for name in ("width", "height")
    )
    answer.reply(200, render(shown, *sides, "png"), {"Content-Type": "image/png"})


@pytest.fixture
def api():
    with running_screenshot_api("engine") as server:
        server.behave(draw, times=1000)
        yield server


@pytest.fixture
def thumbnails(settings, api, resolver, tmp_path):
    given = settings | {"capture_api": "engine", "capture_url": api.url, "capture_api_key": None, "originals": "folder"}
    built = services.build(Settings.of(**given | {"originals_dir": tmp_path / "originals"}), resolver)
    yield runner_for(built)
    built.close()


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of pages: `site({"posts/a.md": "title: A"})` writes them with YAML front matter."""
    monkeypatch.chdir(tmp_path)

    def write(pages):
        for name, matter in pages.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"---\n{matter}\n---\n# Text\n", encoding="utf-8")
        return tmp_path

    return write


def sent(api):
    return [str(call.params["html"]) for call in api.calls if "html" in call.params]


def test_each_page_gets_its_card(thumbnails, site, api):
    folder = site(
        {
            "posts/hello.md": "title: Hello <world>\npubDate: 2026-11-29\nauthors: [Mira, Jo]\ntags: [Ink, Paper]\nsummary: |\n  Two\n  lines",
            "posts/bundle/index.md": "title: Bundle\ncard:\n  accent: teal\n  theme: dark",
            "posts/deep/er.mdx": "title: 深い\nlang: ja",
        }
    )
    done = thumbnails("cards", "build", "posts", "--out", "og", "--set", "brand=Field Notes")

    assert (done.exit_code, done.stdout) == (0, "og: 3 built\n")
    assert sorted(path.relative_to(folder / "og").as_posix() for path in (folder / "og").rglob("*.png")) == [
        "bundle.png", "deep/er.png", "hello.png",
    ]  # fmt: skip
    assert Image.open(BytesIO((folder / "og/hello.png").read_bytes())).size == (1200, 630)
    (hello,) = [html for html in sent(api) if "Hello" in html]
    for text in (
        "Hello &lt;world&gt;",
        "Two\nlines",
        "Mira, Jo",
        '<time datetime="2026-11-29">',
        ">Ink<",
        "Field Notes",
    ):
        assert text in hello
    assert [
        html for html in sent(api) if "Bundle" in html and "--accent:#008080" in html and 'data-theme="dark"' in html
    ]
    assert [html for html in sent(api) if '<html lang="ja"' in html]


def test_what_is_unchanged_is_not_drawn_again(thumbnails, site, api):
    folder = site({"a.md": "title: A", "b.md": "title: B"})
    build = ("cards", "build", "a.md", "b.md", "--out", "og")
    thumbnails(*build)
    site({"b.md": "title: C\ntext: changed"})
    (folder / "og/a.png").touch()
    told = facts(thumbnails("--json", *build))

    assert {each["file"]: each["state"] for each in told["cards"]} == {"a.png": "unchanged", "b.png": "built"}
    assert len(api.calls) == 3
    (folder / "og/a.png").unlink()
    assert facts(thumbnails("--json", *build))["built"] == 1
    assert facts(thumbnails("--json", *build, "--force"))["built"] == 2
    assert facts(thumbnails("--json", *build, "--scale", 2))["built"] == 2
    assert Image.open(BytesIO((folder / "og/a.png").read_bytes())).size == (2400, 1260)
    assert facts(thumbnails("--json", "cards", "build", "a.md", "--out", "og", "--scale", 2))["unchanged"] == 1


def test_an_error_names_file_and_field_and_stops_no_other_page(thumbnails, site):
    folder = site(
        {
            "p/long.md": f"headline: {'x' * 301}\npubDate: soon",
            "p/none.md": "layout: post",
            "p/own.md": "title: A\ncard: {accent: reddish, font: x}",
            "p/picture.md": "title: A\ncover: ./gone.png",
            "p/torn.md": "title: [A",
            "p/good.md": "title: A",
        }
    )
    done = thumbnails("cards", "build", "p", "--out", "og", "--map", "image=cover")

    assert done.exit_code == 1
    assert set(done.stdout.splitlines()) == {
        "p/long.md: headline: must have at most 300 characters",
        "p/long.md: pubDate: must be a date such as 2026-01-31",
        "p/none.md: title: is missing",
        "p/own.md: card.accent: must be a colour such as #1a73e8 or teal",
        "p/own.md: card.font: the template has no such variable",
        "p/picture.md: cover: p/gone.png cannot be read: No such file or directory",
        "p/torn.md: front matter: line 3: did not find expected ',' or ']'",
        "og: 1 built, 5 failed",
    }
    assert [path.name for path in (folder / "og").glob("*.png")] == ["good.png"]
    (failed,) = facts(thumbnails("--json", "cards", "build", "p/none.md", "--out", "og"))["cards"]
    assert failed["errors"] == [{"field": "title", "reason": "is missing"}]


def test_a_failed_capture_is_told_and_its_file_stays(thumbnails, site):
    folder = site({"a.md": "title: A"})
    thumbnails("cards", "build", "a.md", "--out", "og")
    before = (folder / "og/a.png").read_bytes()
    site({"a.md": "title: Unlucky"})
    done = thumbnails("cards", "build", "a.md", "--out", "og")

    assert done.exit_code == 1
    assert "a.md: the screenshot API failed" in done.stdout
    assert (folder / "og/a.png").read_bytes() == before


def test_drafts_and_pages_without_a_card_are_left_out(thumbnails, site):
    site({"a.md": "title: A\ndraft: true", "b.md": "title: B\npublished: false", "c.md": "title: C\ncard: false"})
    build = ("cards", "build", "a.md", "b.md", "c.md", "--out", "og")
    assert thumbnails(*build).stdout == "og: 3 skipped\n"
    assert thumbnails(*build, "--drafts").stdout == "og: 2 built, 1 skipped\n"


def test_pictures_beside_a_page_are_part_of_its_card(thumbnails, site, api):
    folder = site({"p/a.md": "title: A\ncard:\n  image: dot.png"})
    Image.new("RGB", (4, 4)).save(folder / "p/dot.png")
    Image.new("RGB", (4, 4)).save(folder / "logo.png")
    assert thumbnails("cards", "build", "p/a.md", "--out", "og", "--set", "logo=logo.png").exit_code == 0
    assert sent(api)[0].count('src="data:image/png;base64,') == 2


def test_a_picture_that_is_too_large_for_a_card_is_named_with_its_limit(thumbnails, site):
    folder = site({"p/a.md": "title: A\ncard:\n  image: hero.png"})
    (folder / "p/hero.png").write_bytes(b"x" * 299_941)
    told = thumbnails("cards", "build", "p", "--out", "og").output
    assert "card.image: p/hero.png has 299,941 bytes; make it smaller: at most 299,940" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.md", "--template", "artikle"], "--template: must be one of article, event"),
        (["a.md", "--map", "titel=x"], "--map: article has no variable titel"),
        (["a.md", "--set", "brand"], "write it as name=value"),
        (["a.md", "b/a.md"], "would both be a.png"),
        (["nowhere.md"], "does not exist"),
    ],
)
def test_a_wrong_argument_is_named(thumbnails, site, arguments, words):
    site({"a.md": "title: A", "b/a.md": "title: B"})
    done = thumbnails("cards", "build", *arguments, "--out", "og")
    assert done.exit_code == 2
    assert words in done.stderr


def test_the_templates_are_listed(thumbnails):
    assert "article: A post or a page" in thumbnails("cards", "templates").stdout
    (event,) = [each for each in facts(thumbnails("--json", "cards", "templates")) if each["name"] == "event"]
    assert event["variables"]["date"] == {
        "type": "date",
        "required": True,
        "description": "The day. It is written as the language of the card does.",
    }


def test_a_link_whose_page_could_not_be_captured_is_drawn_again_by_the_next_run(thumbnails, site, api):
    site({"a.md": "title: A link\nurl: https://unlucky.example/"})
    build = ("--json", "cards", "build", "a.md", "--template", "link", "--out", "og")
    assert facts(thumbnails(*build))["built"] == 1
    assert facts(thumbnails(*build))["built"] == 1
    assert "<h1" in sent(api)[-1]

"""The front matter of pages, as four generators write it."""

import pytest

from cli.front_matter import BadFrontMatter, read_front_matter, text_of


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "page.md").write_bytes(text.encode() if isinstance(text, str) else text)
        return read_front_matter(tmp_path / "page.md")

    return read


@pytest.mark.parametrize(
    "text",
    [
        '---\ntitle: "A: b"\ntags: [x, y]\n---\nText\n---\nMore',
        '\ufeff---\r\ntitle: "A: b"\r\ntags:\r\n  - x\r\n  - y\r\n---\r\nText',
        '--- \ntitle: "A: b"\ntags: [x, y]\n...\nText',
        '+++\ntitle = "A: b"\ntags = ["x", "y"]\n+++\nText',
        '---toml\ntitle = "A: b"\ntags = ["x", "y"]\n---\nText',
        '---json\n{"title": "A: b", "tags": ["x", "y"]}\n---\nText',
        '{"title": "A: b", "tags": ["x", "y"]}\n\nText',
    ],
)
def test_front_matter_is_read_in_each_form(read, text):
    assert read(text) == {"title": "A: b", "tags": ["x", "y"]}


@pytest.mark.parametrize("text", ["", "Text", "---\n---\n", "---\nno end: of it\n", "# Title\n---\na: b\n---\n"])
def test_a_page_may_have_none(read, text):
    assert read(text) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("---\na: b\nc: [d\n---\n", "line 4: "),
        ("---\na: b\n c: d\n---\n", "line 3: "),
        ("+++\na = b\n+++\n", "Invalid value"),
        ("---json\n{\n---\n", "property name"),
        ("---\n- a\n---\n", "must be a mapping"),
        ("---\na: !!python/object:os.system {}\n---\n", "line 2: "),
        (b"---\na: \xff\n---\n", "UTF-8"),
    ],
)
def test_what_cannot_be_read_is_named(read, text, words):
    with pytest.raises(BadFrontMatter, match=words):
        read(text)


@pytest.mark.parametrize(
    ("yaml", "text"),
    [
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("[Mira, Jo]", "Mira, Jo"),
        ("{name: Mira, url: x}", "Mira"),
        ("[{name: Mira}, {name: Jo}]", "Mira, Jo"),
        ("{src: a.png, alt: b}", "a.png"),
        ("7", 7),
        ("", None),
    ],
)
def test_a_value_becomes_the_text_of_a_card(read, yaml, text):
    assert text_of(read(f"---\na: {yaml}\n---\n")["a"]) == text

"""docs/card-templates.md tells what templates there are, and its own template works."""

import re
from pathlib import Path

import pytest

import cards
from cards.declaration import COMMON
from cards.values import TYPES

PAGE = (Path(__file__).parents[3] / "docs" / "card-templates.md").read_text(encoding="utf-8")


def rows(heading):
    section = re.search(rf"^#+ {heading}\n(.*?)(?=^#)", PAGE, flags=re.MULTILINE | re.DOTALL)[1]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]


def block(language, number=0):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[number]


def test_every_template_is_shown_with_its_variables():
    shown = {row[0]: row[2] for row in rows("Those that come along") if row[0].startswith("`")}
    common = {each.name for each in COMMON}
    there = {
        f"`{name}`": ", ".join(
            f"**`{each.name}`**" if each.required else f"`{each.name}`"
            for each in template.variables.values()
            if each.name not in common
        )
        for name, template in cards.load().items()
    }
    assert {name: shown[name] for name in there} == there
    assert {name.strip("`") for name in shown} - {name.strip("`") for name in there} == common


def test_every_type_is_explained():
    assert {name for row in rows("Values") for name in row[0].split(", ")} - {"type", "---"} == set(TYPES) - {
        "language"
    }


@pytest.fixture
def note(tmp_path):
    folder = tmp_path / "note"
    folder.mkdir()
    (folder / "template.toml").write_text(block("toml"))
    (folder / "template.html").write_text(block("html"))
    (folder / "style.css").write_text(block("css"))
    (folder / "logo.svg").write_text("<svg/>")
    return folder


def test_the_own_template_of_the_page_works(note):
    template = cards.load([note.parent])["note"]
    assert "Ink first, then paper." in template.render(template.example)


def test_the_error_of_the_page_is_what_a_process_says(note):
    said = re.search(r"^TEMPLATES_DIR is invalid: \S+?/template.html:(\d+): (.*) …$", PAGE, flags=re.MULTILINE)
    html = note / "template.html"
    html.write_text(html.read_text().replace("{{ text }}", "{{ txet }}"))
    with pytest.raises(cards.BrokenTemplate) as caught:
        cards.load([note.parent])
    assert caught.value.line == int(said[1])
    assert caught.value.reason.startswith(said[2])

"""The documents lead where they say, and explain what the code says."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NO_SUBJECTS = {"bench", "clients", "data", "demo", "deploy", "docs", "engine", "scripts", "tests"}
READ = {".py", ".yml", ".yaml", ".toml", ".conf", ".service", ".tpl", ".nft", ".example", ".js", ".php"}
EVENT = re.compile(r'_log\.\w+\(\s*"([a-z_]+)"|\b_?call\(\s*"([a-z_]+)"')


def text(page):
    """Return the text of a page without its code blocks."""
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(page):
    """The fragments that lead to a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_page_and_a_heading_that_exist(page):
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text(page)) if "://" not in link]
    lost = []
    for link in links:
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_prose_have_at_most_120_characters(page):
    """But for rows of tables, pictures, long addresses, and what `make docs` writes."""
    generated = re.sub(r"<!-- \w+: written by `make docs` -->.*?<!-- end -->", "", text(page), flags=re.DOTALL)
    lines = [line for line in generated.splitlines() if not line.lstrip().startswith(("|", "<img"))]
    assert [line for line in lines if len(line) > 120 and max(map(len, line.split())) < 100] == []


def test_every_page_can_be_reached_from_the_readme():
    reached, new = set(), {ROOT / "README.md"}
    while new:
        page = new.pop()
        reached.add(page)
        links = re.findall(r"\]\(([^)\s#]+\.md)", text(page))
        new |= {(page.parent / link).resolve() for link in links if "://" not in link} - reached
    assert set(PAGES) <= reached


def test_every_event_of_the_web_process_and_the_worker_is_explained_to_operators():
    code = [*ROOT.glob("*.py"), *(path for path in ROOT.glob("*/**/*.py") if _subject(path) not in NO_SUBJECTS)]
    events = {
        name for path in code for found in EVENT.findall(path.read_text(encoding="utf-8")) for name in found if name
    }
    told = "".join(text(page) for page in ROOT.glob("docs/operations/*.md"))
    assert len(events) > 20
    assert {name for name in events if f"`{name}`" not in told} == set()


def test_pages_that_code_and_configuration_name_are_there_with_their_headings():
    """Such as an advice of `thumbnails doctor`: `see docs/operations/first-day.md, The sandbox`."""
    named = re.compile(r"(?<![\w/])(docs/[\w/-]+\.md)(?:#([\w-]+))?(?:, ([A-Z][^\n\".]*))?")
    lost = []
    folders = [path for path in ROOT.iterdir() if path.is_dir() and _subject(path) not in ("bench", "data", "tests")]
    files = [*ROOT.iterdir(), *(file for folder in folders for file in folder.rglob("*"))]
    for file in files:
        if file.suffix not in READ or "node_modules" in file.parts:
            continue
        for page, anchor, heading in named.findall(file.read_text(encoding="utf-8")):
            target = ROOT / page
            headings = re.findall(r"^#+ (.+)$", text(target), flags=re.MULTILINE) if target.exists() else []
            if (
                not target.exists()
                or (anchor and anchor not in anchors(target))
                or (heading and not heading.startswith(tuple(headings)))
            ):
                lost.append((file.name, page, anchor, heading))
    assert lost == []


def test_the_glossary_is_in_alphabetical_order():
    terms = re.findall(r"^\| ([^|]+) \|", text(ROOT / "docs" / "glossary.md"), flags=re.MULTILINE)[1:]
    assert [second for first, second in pairwise(terms) if first.lower() > second.lower()] == []


def _subject(path):
    first = path.relative_to(ROOT).parts[0]
    return "data" if first.startswith(".") else first

"""The made-up sites of the demo server."""

import subprocess
import sys
import threading
from http.server import ThreadingHTTPServer
from itertools import pairwise
from urllib.request import urlopen

import pytest

from demo.__main__ import PAGES, Handler
from demo.sites import COUNT, PLAIN, SITES, table
from images import CpuPool
from scripts.demo_data import turn
from sites.imports import ListReader
from tests.support.preloaded import ROOT


def test_each_site_has_an_address_and_a_page_of_its_own():
    assert len({site.path for site in SITES}) == COUNT == 200
    assert len({site.html(0) for site in SITES}) == COUNT


def test_a_page_stays_the_same_until_its_next_edition_which_mostly_looks_different():
    changed = []
    for site in SITES:
        for before, day in pairwise(day / 4 for day in range(120)):
            if site.edition(before) == site.edition(day):
                assert site.html(before) == site.html(day), (site.number, day)
            else:
                changed.append(site.html(before) != site.html(day))
    assert sum(changed) / len(changed) > 0.9  # a ferry may be on time twice


def test_most_sites_change_within_a_month_and_some_never():
    changing = [site for site in SITES if len({site.edition(day) for day in range(40)}) > 1]
    assert 0.8 * COUNT < len(changing) < COUNT
    assert all(site.pace == 0 for site in set(SITES) - set(changing))


def test_the_table_of_sites_is_a_list_that_imports_understand():
    found = ListReader(None, CpuPool(1)).read_body(table("http://127.0.0.1:8002").encode())
    assert len(found.lines) == COUNT + len(PLAIN)
    assert found.lines[3].url == "http://127.0.0.1:8002/sites/0"
    assert found.ignored == ()
    done = subprocess.run(
        [sys.executable, "-m", "demo", "table", "http://127.0.0.1:8002", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 1 + len(PLAIN) + 2


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr(Handler, "clock", tmp_path / "data" / "clock")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def read(url):
    with urlopen(url) as answer:
        return answer.read()


def test_the_server_shows_all_pages_and_turning_its_clock_changes_them(server, tmp_path):
    assert {read(server + path) for path in PLAIN} == set(PAGES.values())
    before = read(f"{server}/sites/0?x=1")
    assert turn(tmp_path / "data" / "clock", 2) == 2
    after = read(f"{server}/sites/0")
    assert before != after
    assert turn(tmp_path / "data" / "clock", 0.5) == 2.5

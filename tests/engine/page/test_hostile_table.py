"""Every hostile page of docs/security-figures.md on one engine: its result and its cost, and the state of the engine afterwards.

`-rP` shows each row as it was measured; `make security-report` prints the table.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engine.conftest import small_engine
from tests.engine.page.test_options import GREEN, body, colour
from tests.support.engine import Engine, eventually, group_members
from tests.support.hostile import MAX_MIB, MAX_SECONDS, SETTINGS, Measured, hostile_pages, measure_all
from tests.support.site import Site
from tests.support.watched_web import replay, running_watched_web

PAGES = hostile_pages()
LOOPS = ("reload loop", "meta refresh loop")
REFUSALS = {"not_a_page", "blocked_url", "tls_failed", "page_status"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def long_steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the engine writes the steps that held its event loop: see tests/support/production/sitecustomize.py."""
    return tmp_path_factory.mktemp("loop") / "long-steps"


@pytest.fixture(scope="module")
def survivor(site: Site, long_steps: Path) -> Iterator[Engine]:
    with small_engine(site, LOOP_WATCH=long_steps, **SETTINGS) as engine:
        long_steps.write_text("")  # starting may take as long as it likes
        yield engine


def leftovers(engine: Engine) -> tuple[int, int, int]:
    """Descriptors of the engine, processes of its browser, and temporary folders."""
    descriptors = len(list(Path(f"/proc/{engine.process.pid}/fd").iterdir()))
    return descriptors, len(group_members(engine.browser_pids[-1])), len(list(engine.tmp.iterdir()))


@pytest.fixture(scope="module")
def measured(survivor: Engine, site: Site) -> dict[str, Measured]:
    """Measures all pages. Takes a plain capture before them, to compare what is left over, and after each.

    Pages that are refused before they are drawn share one, after the last of them.
    """
    plain = site.add("/plain-before-and-after", body("green"))
    with ThreadPoolExecutor(2) as pool:  # two connections to the engine, as later on
        assert [colour(picture, (500, 500)) for picture in pool.map(survivor.capture, [plain] * 4)] == [GREEN] * 4
    before = eventually(lambda: survivor.health()["in_flight"] == 0 and leftovers(survivor))
    measured, last, asked = {}, list(PAGES)[-1], {}
    for name, found in measure_all(survivor, site):
        measured[name] = found
        if found.end.outcome in REFUSALS and name != last:
            continue
        # What the page has kept busy may need a moment of a loaded machine.
        after = eventually(lambda: (answer := survivor.capture(plain)).status_code == 200 and answer)
        assert colour(after, (500, 500)) == GREEN, f"after {name}"
        if name in LOOPS:
            path = f"/hostile-{list(PAGES).index(name)}"
            asked[path] = site.hits(path)
    survivor.plain, survivor.asked = (before, plain), asked
    return measured


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PAGES)
def test_a_hostile_page_ends_as_expected_within_its_time_and_memory(measured: dict[str, Measured], name: str):
    found = measured[name]
    print(found.row(name))  # noqa: T201 - for -rP
    assert found.end in PAGES[name].ends
    assert found.seconds < MAX_SECONDS
    assert 0 < found.peak < MAX_MIB


def test_a_page_that_reloads_without_end_is_closed(measured: dict[str, Measured], survivor: Engine, site: Site):
    assert {path: site.hits(path) for path in survivor.asked} == survivor.asked
    assert min(survivor.asked.values()) > 1


def test_no_hostile_page_holds_the_event_loop(measured: dict[str, Measured], long_steps: Path):
    assert long_steps.read_text() == ""


def test_no_answer_to_a_hostile_page_holds_the_web_process(
    measured: dict[str, Measured], redis_url: str, tmp_path: Path
):
    # Many a page is a green picture.
    answers = {(found.answer.status_code, found.answer.content): found.answer for found in measured.values()}
    with running_watched_web(tmp_path, redis_url) as (web, api, steps):
        for number, answer in enumerate(answers.values()):
            target = f"http://93.184.216.34/{number}"
            api.behave(replay(answer.status_code, answer.content, answer.headers), times=9, url=target)
            web.get(target)
    assert steps() == ""


def test_hostile_pages_leave_no_process_folder_or_descriptor(measured: dict[str, Measured], survivor: Engine):
    before, plain = survivor.plain
    assert survivor.capture(plain).status_code == 200
    eventually(lambda: all(now <= then for now, then in zip(leftovers(survivor), before, strict=True)))
    assert group_members(*survivor.browser_pids[:-1]) == []

"""Launches that fail or are given up: no process, folder or descriptor of them is left."""

import asyncio
import contextlib
import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.browser.browser import Browser, Isolation, LaunchFailed
from engine.browser.process import ProcessGroup
from engine.config import EngineSettings
from tests.engine.app.test_service import script
from tests.support.engine import eventually
from tests.support.inprocess import leave_orphans_alone

ISOLATION = Isolation(namespace=True, sandbox=True)


@pytest.fixture
def folder(monkeypatch) -> Iterator[Path]:
    """Where this process makes its temporary folders; the browser's user may pass through."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        (Path(name) / "tmp").mkdir(mode=0o711)
        monkeypatch.setattr(tempfile, "tempdir", f"{name}/tmp")
        yield Path(name)
    leave_orphans_alone()


def children() -> list[int]:
    """Processes whose parent is this one, zombies too."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == os.getpid():
                found.append(int(path.name))
    return found


def held(folder: Path) -> tuple[int, list[int], list[Path]]:
    return len(list(Path("/proc/self/fd").iterdir())), children(), list((folder / "tmp").iterdir())


@pytest.mark.parametrize("cancels", [1, 2])
@pytest.mark.parametrize("namespace", [True, False])
def test_a_launch_that_is_given_up_leaves_nothing(folder: Path, namespace: bool, cancels: int):
    """At whatever moment, and also when the caller does not wait for the end."""
    settings = EngineSettings(engine_chromium=script(folder, "exec sleep 60"))

    async def give_up(turns: int, seconds: float) -> object:
        launching = asyncio.create_task(Browser.launch(settings, Isolation(namespace, sandbox=True)))
        for _ in range(turns):
            await asyncio.sleep(seconds / turns)
        for _ in range(cancels):
            launching.cancel()
            await asyncio.sleep(0)
        (ended,) = await asyncio.gather(launching, return_exceptions=True)
        return ended

    before = held(folder)
    for turns, seconds in ((1, 0), (2, 0), (3, 0), (4, 0), (6, 0), (8, 0), (1, 0.02), (1, 0.06), (1, 0.1), (1, 0.2)):
        assert isinstance(asyncio.run(give_up(turns, seconds)), asyncio.CancelledError)
        eventually(lambda: held(folder) == before)


@pytest.mark.parametrize(
    "said",
    [
        '{"id": 1, "error": {"message": "no"}}',
        '{"id": 1, "result": {}}',
        "nonsense",
    ],
)
def test_a_browser_that_answers_something_else_is_no_browser(folder: Path, said: str):
    settings = EngineSettings(engine_chromium=script(folder, f"printf '%s\\0' '{said}' >&4; exec sleep 60"))
    before = held(folder)
    with pytest.raises(LaunchFailed):
        asyncio.run(Browser.launch(settings, ISOLATION))
    assert held(folder) == before


def test_a_user_that_there_is_no_more_leaves_nothing(folder: Path):
    before = held(folder)
    with pytest.raises(KeyError):
        ProcessGroup(["/bin/true"], "nobody-at-all", 0)
    assert held(folder) == before


def test_want_of_descriptors_leaves_nothing_wherever_it_is_met(folder: Path):
    before = held(folder)
    lowest = min(set(range(1024)) - {int(path.name) for path in Path("/proc/self/fd").iterdir()})
    refusals = 0
    for limit in range(lowest, 1024):
        with at_most(limit):
            try:
                group = ProcessGroup(["/bin/true"], None, 0)
            except OSError:
                group = None
        if group:
            break
        refusals += 1
        assert held(folder) == before
    assert refusals > 5  # the directory, two pipes, a pair of sockets, stderr
    asyncio.run(group.close())
    for descriptor in (group.read_fd, group.write_fd):
        os.close(descriptor)
    assert held(folder) == before


@contextlib.contextmanager
def at_most(descriptors: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

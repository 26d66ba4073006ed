"""Launches that fail or are cancelled leave no process, folder or descriptor behind."""

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
    """A folder for this process's temporary folders, which the browser's user may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        (Path(name) / "tmp").mkdir(mode=0o711)
        monkeypatch.setattr(tempfile, "tempdir", f"{name}/tmp")
        yield Path(name)
    leave_orphans_alone()


def children() -> list[int]:
    """The child processes of this one, zombies included."""
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
def test_a_cancelled_launch_leaves_nothing_behind(folder: Path, namespace: bool, cancels: int):
    """At any moment, and also if the caller is cancelled a second time meanwhile."""
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
def test_a_browser_that_answers_nonsense_fails_to_launch(folder: Path, said: str):
    settings = EngineSettings(engine_chromium=script(folder, f"printf '%s\\0' '{said}' >&4; exec sleep 60"))
    before = held(folder)
    with pytest.raises(LaunchFailed):
        asyncio.run(Browser.launch(settings, ISOLATION))
    assert held(folder) == before


def test_a_launch_as_an_unknown_user_leaves_nothing_behind(folder: Path):
    before = held(folder)
    with pytest.raises(KeyError):
        ProcessGroup(["/bin/true"], "nobody-at-all", 0)
    assert held(folder) == before


def test_a_launch_that_runs_out_of_descriptors_leaves_nothing_behind(folder: Path):
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

"""The folder in which processes leave their tallies: what is kept of those that end, and that no files pile up."""

import json
import multiprocessing
import os
import signal
import stat
from pathlib import Path

import pytest

from telemetry import folder as folders
from telemetry.folder import OwnSnapshot, SnapshotFolder
from tests.support.processes import wait_until

NAME = "thumbnails_evictions_total"
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(folders, "_own_root", lambda: tmp_path)
    made = SnapshotFolder.make()
    yield made
    made.remove()


def counted(folder):
    return sum(series[0][1] for found in folder.read() for series in [found.get(NAME, [])] if series)


def process(folder, number=5, ends=True):
    """Run a process that counts `number`, and ends by itself or is killed."""

    def work():
        own = OwnSnapshot(folder.path)
        own.write({NAME: [[["memory"], number]]})
        if not ends:
            signal.pause()

    started = FORK.Process(target=work)
    started.start()
    if not ends:
        wait_until(lambda: any(f"{started.pid}-" in path.name for path in folder.path.glob("*.json")), "its file")
    else:
        started.join()
    return started


def test_what_ended_processes_have_counted_is_kept_and_their_files_are_not(folder):
    for number in range(1, 11):
        process(folder)
        folder.add_ended()
        assert counted(folder) == 5 * number
    assert {path.name for path in folder.path.iterdir()} == {"lock", "ended.json"}


def test_counts_of_a_living_process_are_read_from_its_file_and_stay_when_it_is_killed(folder):
    living = process(folder, ends=False)
    folder.add_ended()
    assert counted(folder) == 5
    os.kill(living.pid, signal.SIGKILL)
    living.join()
    assert counted(folder) == 5
    folder.add_ended()
    assert counted(folder) == 5
    assert list(folder.path.glob("*.alive")) == []


def test_a_parent_that_was_interrupted_while_it_added_a_process_adds_it_once(folder, monkeypatch):
    process(folder)
    (own,) = folder.path.glob("*-*.json")
    (alive,) = folder.path.glob("*.alive")
    kept = own.read_bytes()
    folder.add_ended()
    own.write_bytes(kept)  # as if it had been added, but not removed
    alive.touch()
    assert counted(folder) == 5
    folder.add_ended()
    assert counted(folder) == 5
    assert not own.exists()


def test_gauges_end_with_their_process(folder):
    own = OwnSnapshot(folder.path)
    own.write({"thumbnails_kept_bytes": [[["memory"], 7]]})
    assert "thumbnails_kept_bytes" in str(folder.read())
    os.close(own._alive)
    folder.add_ended()
    assert "thumbnails_kept_bytes" not in str(folder.read())


def test_one_process_reads_what_all_share_and_another_when_it_has_ended(folder):
    first, second = OwnSnapshot(folder.path), OwnSnapshot(folder.path)
    assert [first.is_reader(), second.is_reader(), first.is_reader()] == [True, False, True]
    os.close(first._reads_shared)
    assert second.is_reader()


def test_the_folder_of_a_killed_parent_is_removed_by_the_next_one_and_that_of_a_living_one_is_not(
    folder, tmp_path, monkeypatch
):
    def work():
        SnapshotFolder.make()
        os.kill(os.getpid(), signal.SIGKILL)

    killed = FORK.Process(target=work)
    killed.start()
    killed.join()
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2
    other = SnapshotFolder.make()
    assert {path for path in tmp_path.iterdir() if path.is_dir()} == {folder.path, other.path}
    other.remove()


def test_the_folder_belongs_to_its_user_alone(monkeypatch, tmp_path):
    root = folders._own_root()
    assert root.name == f"thumbnails-metrics-{os.geteuid()}"
    assert (root.stat().st_uid, stat.S_IMODE(root.stat().st_mode)) == (os.geteuid(), 0o700)


@pytest.mark.parametrize("trap", ["link", "open folder", "file"])
def test_a_name_that_somebody_else_has_taken_is_not_used(monkeypatch, tmp_path, trap):
    named = tmp_path / f"thumbnails-metrics-{os.geteuid()}"
    monkeypatch.setattr(folders, "_base", lambda: tmp_path)
    if trap == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        named.symlink_to(tmp_path / "elsewhere")
    elif trap == "file":
        named.touch(mode=0o600)
    else:
        named.mkdir()
        named.chmod(0o777)
    root = folders._own_root()
    assert root != named
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert root.parent == tmp_path


def test_a_damaged_file_costs_its_own_counts_alone(folder):
    process(folder)
    (own,) = folder.path.glob("*-*.json")
    own.write_text("{")
    process(folder)
    assert counted(folder) == 5
    folder.add_ended()
    assert counted(folder) == 5
    assert json.loads((Path(folder.path) / "ended.json").read_text())["counted"]

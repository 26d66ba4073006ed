"""The folder in which processes leave their tallies: what is kept of those that end, and that no files pile up."""

import json
import multiprocessing
import os
import resource
import signal
import stat
import threading
from pathlib import Path

import pytest

from telemetry import folder as folders
from telemetry import metrics, server, tallies
from telemetry.folder import HUNG_SECONDS, OwnSnapshot, SnapshotFolder
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


def age(path, seconds):
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def process(folder, number=5, ends=True):
    """Run a process that counts `number`, and ends by itself or is killed."""

    def work():
        own = OwnSnapshot(folder.path)
        own.write(lambda: {NAME: [[["memory"], number]]})
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
    own.write(lambda: {"thumbnails_kept_bytes": [[["memory"], 7]]})
    assert "thumbnails_kept_bytes" in str(folder.read())
    os.close(own._alive)
    folder.add_ended()
    assert "thumbnails_kept_bytes" not in str(folder.read())


def test_one_process_reads_what_all_share_and_another_when_it_has_ended(folder):
    first, second = OwnSnapshot(folder.path), OwnSnapshot(folder.path)
    assert [first.is_reader(), second.is_reader(), first.is_reader()] == [True, False, True]
    os.close(first._reads_shared)
    assert second.is_reader()


def test_another_process_reads_what_all_share_if_the_first_one_hangs(folder):
    first, second, third = (OwnSnapshot(folder.path) for _ in range(3))
    assert first.is_reader()
    age(folder.path / "shared.lock", HUNG_SECONDS - 1)
    assert not second.is_reader()
    age(folder.path / "shared.lock", HUNG_SECONDS + 1)
    assert [second.is_reader(), third.is_reader(), first.is_reader(), second.is_reader()] == [True, False, False, True]
    assert [path.name for path in folder.path.glob("*shared*")] == ["shared.lock"]


def test_a_process_that_hung_forgets_what_another_one_reads_now(folder):
    tallies.forget_all()
    first, second = OwnSnapshot(folder.path), OwnSnapshot(folder.path)

    def hang():
        metrics.OLDEST_JOB_AGE.set(7)
        age(folder.path / "shared.lock", HUNG_SECONDS + 1)
        assert second.is_reader()

    assert not server._read_if_mine(first, hang, reads=False)
    assert metrics.OLDEST_JOB_AGE.read() == []
    assert server._read_if_mine(second, lambda: metrics.OLDEST_JOB_AGE.set(8), reads=True)
    assert metrics.OLDEST_JOB_AGE.read() == [[[], 8]]
    tallies.forget_all()


def test_what_a_process_that_hangs_has_measured_is_not_known_any_more_but_its_counts_are(folder):
    hung, other = OwnSnapshot(folder.path), OwnSnapshot(folder.path)
    for own, value in ((hung, 1), (other, 0)):
        own.write(lambda value=value: {"thumbnails_breaker_open": [[["engine"], value]], NAME: [[["memory"], 5]]})
    for path in folder.path.glob("*.json"):
        age(path, HUNG_SECONDS + 1)
    other.write(
        lambda: {"thumbnails_breaker_open": [[["engine"], 0]], NAME: [[["memory"], 5]]}
    )  # nothing new, but it lives
    assert [each["thumbnails_breaker_open"] for each in folder.read() if "thumbnails_breaker_open" in each] == [
        [[["engine"], 0]]
    ]
    assert counted(folder) == 10


def test_two_threads_of_a_process_write_one_after_the_other(folder):
    """Such as the one that writes each second, and the main one, which writes when the process ends."""
    own, errors = OwnSnapshot(folder.path), []

    def write(numbers):
        try:
            for number in numbers:
                own.write(lambda number=number: {NAME: [[["memory"], number]] * 200})
        except OSError as err:
            errors.append(err)

    threads = [threading.Thread(target=write, args=(range(first, 400, 2),)) for first in (0, 1)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert errors == []


def test_nothing_is_lost_or_raised_while_there_is_no_room(folder):
    process(folder)

    def work():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # as on a full disk, no byte can be written
        folder.add_ended()
        folder.add_ended()

    full = FORK.Process(target=work)
    full.start()
    full.join()
    assert full.exitcode == 0
    assert counted(folder) == 5
    folder.add_ended()
    assert counted(folder) == 5
    assert {path.name for path in folder.path.iterdir()} == {"lock", "ended.json"}


def test_a_process_that_was_killed_while_it_wrote_leaves_no_file(folder):
    process(folder)
    (own,) = folder.path.glob("*-*.json")
    own.with_suffix(".new").write_text("{")
    folder.add_ended()
    assert {path.name for path in folder.path.iterdir()} == {"lock", "ended.json"}


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

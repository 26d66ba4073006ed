"""`thumbnails backup` and `thumbnails restore`: from and to SQLite and PostgreSQL, a folder and a bucket."""

import io
import json
import os
import shutil
import tarfile

import pytest

from errors import StorageUnavailable
from tests.support.command_line import facts, runner_for
from tests.support.databases import ON_SQLITE
from tests.support.s3 import running_s3

URLS = ["https://a.example.com/", "https://b.example.com/ü?q=1"]


@pytest.fixture
def filled(built):
    """A catalogue of two sites, one of which has two versions."""
    for url in URLS:
        built.catalogue.add(built.drafts.read({"url": url, "tags": ["one", "two"], "note": "nota\nbene"}))
    for claim in built.site_capturer.choose():
        built.site_capturer.capture(claim, "r" * 16)
    return built


@pytest.fixture
def make_empty(make_built, tmp_path, _migrated_file):
    """Make services with a catalogue and a storage of their own."""
    made = []

    def make(**changes):
        number = len(made)
        path = tmp_path / f"empty-{number}.db"
        shutil.copy(_migrated_file, path)
        made.append(
            make_built(**{"database_url": f"sqlite:///{path}", "persist_dir": tmp_path / f"media-{number}"} | changes)
        )
        return made[-1]

    return make


def described(built):
    """All that a backup keeps of the sites and their versions."""
    found = []
    for id_ in built.catalogue_backup.site_ids():
        site = built.catalogue.get(id_)
        found.append((site, tuple(built.history.versions(id_, 10))))
    return found


def rewritten(file, change):
    """Write a copy of a backup in which `change` has replaced the bytes of each member; None leaves it out."""
    copy = file.with_name("changed.tar")
    with tarfile.open(file) as old, tarfile.open(copy, "w") as new:
        for entry in old.getmembers():
            body = change(entry.name, old.extractfile(entry).read())
            if body is not None:
                entry.size = len(body)
                new.addfile(entry, io.BytesIO(body))
    return copy


@pytest.mark.parametrize("name", ["backup.tar", "backup.tar.gz"])
def test_a_restored_catalogue_is_the_one_that_was_backed_up(filled, make_empty, tmp_path, name):
    file = tmp_path / name
    done = facts(runner_for(filled)("--json", "backup", file))
    assert (done["rows"]["sites"], done["pictures"]) == (2, 2)

    empty = make_empty()
    restored = facts(runner_for(empty)("--json", "restore", file))
    assert (restored["rows"]["sites"], restored["pictures"]) == (2, 2)
    assert described(empty) == described(filled)
    for key in [*filled.storage.keys()]:
        assert empty.storage.read(key) == filled.storage.read(key)


def test_a_backup_may_go_through_pipes_out_of_one_container_and_into_another(filled, make_empty):
    done = runner_for(filled)("backup", "-")
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (0, "2 sites, 2 pictures")

    empty = make_empty()
    restored = facts(runner_for(empty)("--json", "restore", "-", input=done.stdout_bytes))
    assert (restored["rows"]["sites"], restored["pictures"]) == (2, 2)
    assert described(empty) == described(filled)

    damaged = runner_for(make_empty())("restore", "-", input=done.stdout_bytes[:-200])
    assert (damaged.exit_code, "no backup of this service, or damaged" in damaged.stderr) == (1, True)


@ON_SQLITE
def test_a_backup_that_failed_half_way_through_a_pipe_is_not_restored(filled, make_empty, monkeypatch):
    """Whoever redirects into a file has that file, whatever the status was."""
    read, first = filled.storage.read, next(iter(filled.storage.keys()))

    def read_the_first(key):
        if key != first:
            raise StorageUnavailable("the disk is broken")
        return read(key)

    monkeypatch.setattr(filled.storage, "read", read_the_first)
    failed = runner_for(filled)("backup", "-")
    empty = make_empty()
    done = runner_for(empty)("restore", "-", input=failed.stdout_bytes)

    assert (failed.exit_code, done.exit_code) == (1, 1)
    assert "damaged" in done.stderr
    assert empty.catalogue.counts().total == 0


@pytest.fixture(scope="module")
def s3_url():
    with running_s3("old", "new") as url:
        yield url


@ON_SQLITE
def test_the_pictures_of_a_bucket_are_kept_if_asked_for(filled, make_empty, s3_url, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    here = {"s3_region": "us-east-1", "s3_endpoint_url": s3_url}
    runner_for(filled)("backup", tmp_path / "moved.tar")
    old, new = (make_empty(s3_bucket=bucket, **here) for bucket in ("old", "new"))
    assert facts(runner_for(old)("--json", "restore", tmp_path / "moved.tar"))["pictures"] == 2  # from a folder

    without = facts(runner_for(old)("--json", "backup", tmp_path / "without.tar"))
    kept = facts(runner_for(old)("--json", "backup", tmp_path / "with.tar", "--pictures"))
    assert (without["pictures"], kept["pictures"]) == (0, 2)
    assert facts(runner_for(new)("--json", "restore", tmp_path / "with.tar"))["pictures"] == 2
    assert described(new) == described(filled)
    for key in [*filled.storage.keys()]:
        assert new.storage.read(key)[0] == filled.storage.read(key)[0]


def test_a_backup_to_standard_output_tells_programs_what_is_in_it(filled):
    done = runner_for(filled)("--json", "backup", "-")
    told = json.loads(done.stderr.splitlines()[-1])

    assert (told["rows"]["sites"], told["pictures"]) == (2, 2)
    with tarfile.open(fileobj=io.BytesIO(done.stdout_bytes)) as archive:
        assert archive.getnames()[0] == "catalogue.jsonl"


@pytest.mark.slow
def test_new_sites_get_new_numbers_after_a_restore(filled, make_empty, postgres_server, tmp_path):
    runner_for(filled)("backup", tmp_path / "backup.tar")
    for database in (None, postgres_server.new_database()):
        there = make_empty(**({"database_url": database} if database else {}))
        assert runner_for(there)("restore", tmp_path / "backup.tar").exit_code == 0
        added = there.catalogue.add(there.drafts.read({"url": "https://new.example.com/"}))
        assert added.id > max(filled.catalogue_backup.site_ids())


@ON_SQLITE
def test_a_catalogue_is_replaced_only_if_asked_to(filled, tmp_path):
    thumbnails, file = runner_for(filled), tmp_path / "backup.tar"
    thumbnails("backup", file)
    filled.catalogue.add(filled.drafts.read({"url": "https://later.example.com/"}))
    refused = thumbnails("restore", file)
    assert (refused.exit_code, "--replace" in refused.stderr) == (1, True)
    assert filled.catalogue.counts().total == 3

    assert thumbnails("restore", file, "--replace").exit_code == 0
    assert filled.catalogue.counts().total == 2


@ON_SQLITE
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda name, body: None if name == "backup.json" else body, "no backup of this service"),
        (lambda name, body: b"{}" if name == "backup.json" else body, "version"),
        (
            lambda name, body: body.replace(b'"revision": "', b'"revision": "9') if name == "backup.json" else body,
            "newer",
        ),
        (lambda name, body: body[: len(body) // 2] if name == "catalogue.jsonl" else body, "damaged"),
        (lambda name, body: body.replace(b'"note"', b'"nota"') if name == "catalogue.jsonl" else body, "nota"),
        (lambda name, body: body + b"x" if name.startswith("pictures/") else body, "damaged"),
    ],
)
def test_a_damaged_backup_changes_no_row(filled, make_empty, tmp_path, change, words):
    runner_for(filled)("backup", tmp_path / "backup.tar")
    empty = make_empty()
    done = runner_for(empty)("restore", rewritten(tmp_path / "backup.tar", change))

    assert done.exit_code == 1
    assert words in done.stderr
    assert empty.catalogue.counts().total == 0


@ON_SQLITE
def test_a_file_that_is_no_archive_is_named(thumbnails, tmp_path):
    (tmp_path / "notes.txt").write_text("no archive", encoding="utf-8")
    done = thumbnails("restore", tmp_path / "notes.txt")

    assert (done.exit_code, "no backup of this service" in done.stderr) == (1, True)


@ON_SQLITE
def test_a_backup_that_fails_leaves_the_one_before(filled, tmp_path):
    file = tmp_path / "backup.tar"
    runner_for(filled)("backup", file)
    before = file.read_bytes()
    filled.database.close()

    assert runner_for(filled)("backup", file).exit_code == 1
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.glob(".*draft*")] == []


@ON_SQLITE
def test_where_no_file_can_be_written_standard_output_is_named(filled):
    done = runner_for(filled)("backup", "/proc/backup.tar")

    assert (done.exit_code, "`-` writes to standard output" in done.stderr) == (1, True)


@ON_SQLITE
def test_a_backup_is_for_its_owner_alone(filled, tmp_path):
    runner_for(filled)("backup", tmp_path / "backup.tar")

    assert (tmp_path / "backup.tar").stat().st_mode & 0o777 == 0o600


@ON_SQLITE
def test_a_damaged_compressed_backup_is_named(filled, make_empty, tmp_path):
    file = tmp_path / "backup.tar.gz"
    runner_for(filled)("backup", file)
    whole = bytearray(file.read_bytes())
    for place in range(len(whole) // 3, 2 * len(whole) // 3):
        whole[place] ^= 0x5A
    file.write_bytes(whole)
    done = runner_for(make_empty())("restore", file)

    assert (done.exit_code, "damaged" in done.stderr) == (1, True)


@ON_SQLITE
def test_pictures_are_left_out_if_asked_for(filled, tmp_path):
    done = facts(runner_for(filled)("--json", "backup", tmp_path / "backup.tar", "--no-pictures"))

    assert done["pictures"] == 0


@ON_SQLITE
def test_a_device_or_a_pipe_is_not_replaced_by_a_backup(thumbnails, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = thumbnails("backup", pipe)

    assert (done.exit_code, "no regular file" in done.stderr) == (1, True)
    assert pipe.is_fifo()


@ON_SQLITE
def test_a_backup_that_cannot_be_restored_leaves_no_picture_behind(filled, make_empty, tmp_path):
    file = tmp_path / "backup.tar"
    runner_for(filled)("backup", file)
    taken = make_empty()
    taken.catalogue.add(taken.drafts.read({"url": "https://there.example.com/"}), capture=False)
    done = runner_for(taken)("restore", file)

    assert (done.exit_code, "not empty" in done.stderr) == (1, True)
    assert [*taken.storage.keys()] == []


@ON_SQLITE
def test_an_archive_that_ends_in_tgz_is_compressed(filled, tmp_path):
    runner_for(filled)("backup", tmp_path / "backup.tgz")

    with tarfile.open(tmp_path / "backup.tgz", "r:gz") as archive:
        assert "catalogue.jsonl" in archive.getnames()

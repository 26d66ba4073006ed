"""`thumbnails sites import` and `thumbnails sites export`."""

import csv
import io
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.support.databases import ON_SQLITE
from tests.support.preloaded import production_environ, run_python, start_python

CSV = "url,title,colour\nhttps://a.example.com/,Alpha,red\nhttps://10.0.0.1/,B,blue\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(CSV, encoding="utf-8")
    return path


@ON_SQLITE
def test_a_dry_run_prints_each_line_and_changes_nothing(thumbnails, file, built):
    done = thumbnails("sites", "import", file, "--dry-run")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "line 2: https://a.example.com/ added",
        "line 3: https://10.0.0.1/ refused: url the target is not a public web address, or does not exist",
        "Dry run: 2 lines, 1 added, 0 changed, 0 unchanged, 1 refused",
        "Ignored columns: colour",
    ]
    assert built.catalogue.counts().total == 0


def test_a_file_or_the_standard_input_is_imported(thumbnails, file, built):
    done = thumbnails("sites", "import", file, "--no-capture")
    assert "1 added" in done.stdout
    assert "done: 1" in done.stderr
    done = thumbnails("sites", "import", "-", "--kind", "urls", input="https://b.example.com/\n")
    assert done.exit_code == 0
    counts = built.catalogue.counts()
    assert (counts.total, counts.due) == (2, 1)


@ON_SQLITE
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("http://127.0.0.1/list", "not a public web address"),
        ("/nowhere.csv", "No such file"),
        ("/dev/null", "has no sites"),
    ],
)
def test_a_list_that_cannot_be_read_is_an_error(thumbnails, source, words):
    done = thumbnails("sites", "import", source)
    assert done.exit_code == 1
    assert words in done.stderr


@pytest.mark.slow
@ON_SQLITE
def test_an_import_that_is_killed_keeps_whole_thousands_and_continues_when_repeated(
    built, redis_url, database_url, tmp_path
):
    path = tmp_path / "long.txt"
    path.write_text("".join(f"https://{n}.example.com/\n" for n in range(4000)), encoding="utf-8")
    env = production_environ() | {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    command = ("cli", "sites", "import", "--no-capture", str(path))
    streams = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    with start_python(*command, cwd=tmp_path, env=env, **streams) as killed:
        assert any(b"done: 1,000" in line for line in killed.stderr)
        killed.kill()
    kept = built.catalogue.counts().total
    assert kept in (1000, 2000, 3000)
    done = run_python(*command, cwd=tmp_path, env=env)
    assert f"4,000 lines, {4000 - kept:,} added, 0 changed, {kept:,} unchanged, 0 refused" in done.stdout
    assert built.catalogue.counts().total == 4000


def test_the_catalogue_is_exported_to_a_file_or_the_standard_output(thumbnails, file, tmp_path):
    thumbnails("sites", "import", file)
    rows = list(csv.DictReader(io.StringIO(thumbnails("sites", "export").stdout.removeprefix("\ufeff"))))
    assert [row["url"] for row in rows] == ["https://a.example.com/"]
    thumbnails("sites", "export", "--format", "gallery", "-o", tmp_path / "gallery.zip")
    assert "gallery/index.html" in zipfile.ZipFile(tmp_path / "gallery.zip").namelist()


@ON_SQLITE
@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_an_error_without_a_traceback(thumbnails):
    done = thumbnails("sites", "export", "--output", "/dev/full")

    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == "Error: No space left on device"

"""`thumbnails backup` and `restore`: the catalogue and the pictures of the storage in one tar file.

It holds `backup.json` (what it is), `catalogue.jsonl` (the rows), `pictures/` (the files, by their keys) and, as the last
of all, `end.json`: what a pipe has carried may look whole although the command has failed.
"""

import io
import json
import os
import shutil
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import click

from cli.console import Console
from errors import NotFound
from model import Picture
from services import Services
from sites import NotRestored
from sites.backup import decode, encode
from storage import content_type_of

_VERSION = 1
_COMPRESSED = (".gz", ".tgz")
_STANDARD = Path("-")  # standard input or output
_ABOUT, _ROWS, _PICTURES, _END = "backup.json", "catalogue.jsonl", "pictures/", "end.json"


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--pictures/--no-pictures", default=None, help="default: the pictures of a folder, not those of a bucket")
@click.pass_obj
def backup(console: Console, file: Path, *, pictures: bool | None) -> None:
    """Write the catalogue and the permanent pictures into FILE, a tar archive (.tar.gz: compressed).

    `-` is standard output, compressed: for a container, whose files cannot be read from outside. The service may run meanwhile. Captured
    originals, jobs and limits are not in it: they expire by themselves.
    """
    if file == _STANDARD:
        _backup_to_output(console, pictures)
        return
    if file.exists() and not file.is_file():  # a device or a pipe, which would be replaced
        raise click.ClickException(f"{file} is no regular file; name one that may be replaced")
    draft = file.with_name(f".{file.name}.draft")
    try:
        with (
            _private(draft) as target,
            tarfile.open(fileobj=target, mode="w:gz" if file.suffix in _COMPRESSED else "w") as archive,
        ):
            counts, added = _write(console, archive, pictures)
        draft.replace(file)
    except OSError as err:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise click.ClickException(f"{file}: {err.strerror or err}; `-` writes to standard output") from None
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    size = file.stat().st_size
    facts = {"file": str(file), "bytes": size, "rows": counts, "pictures": added}
    console.show(facts, f"{file}: {size:,} bytes, {counts['sites']:,} sites, {added:,} pictures")


def _backup_to_output(console: Console, pictures: bool | None) -> None:
    """Say on standard error what was written."""
    output = console.output()
    with tarfile.open(fileobj=output, mode="w|gz") as archive:
        counts, added = _write(console, archive, pictures)
    output.flush()
    console.show(
        {"file": "-", "rows": counts, "pictures": added}, f"{counts['sites']:,} sites, {added:,} pictures", err=True
    )


def _write(console: Console, archive: tarfile.TarFile, pictures: bool | None) -> tuple[dict[str, int], int]:
    """Add everything. Return the numbers of rows, by table, and of pictures."""
    services = console.services
    wanted = services.settings.s3_bucket is None if pictures is None else pictures
    counts = _add_rows(archive, services)
    keys = [*services.storage.keys()] if wanted else []
    about = {"version": _VERSION, "revision": services.catalogue_backup.revision, "rows": counts, "end": _END}
    _add(archive, _ABOUT, json.dumps(about | {"made_at": datetime.now(UTC).isoformat()}).encode())
    added = 0
    with console.progress(keys, "Pictures") as shown:
        for key in shown:
            added += _add_picture(archive, services, key)
    _add(archive, _END, json.dumps({"pictures": added}).encode())
    return counts, added


def _private(file: Path) -> IO[bytes]:
    """Open a new file for this user alone: a backup shows which pages people look at, and their queries."""
    file.unlink(missing_ok=True)
    return os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


def _add_rows(archive: tarfile.TarFile, services: Services) -> dict[str, int]:
    """Add the rows, by a temporary file: their size must be known first."""
    counts: dict[str, int] = {}
    with tempfile.TemporaryFile() as rows:

        def write(row: Any) -> None:
            rows.write(encode(row))
            counts[row.table] = counts.get(row.table, 0) + 1

        services.catalogue_backup.dump(write)
        size = rows.tell()
        rows.seek(0)
        _add(archive, _ROWS, rows, size)
    return {"sites": 0, **counts}


def _add_picture(archive: tarfile.TarFile, services: Services, key: str) -> int:
    try:
        body, _ = services.storage.read(key)
    except NotFound:  # removed meanwhile
        return 0
    _add(archive, _PICTURES + key, body)
    return 1


def _add(archive: tarfile.TarFile, name: str, body: bytes | IO[bytes], size: int | None = None) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(body) if isinstance(body, bytes) else size or 0, int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(body) if isinstance(body, bytes) else body)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--replace", is_flag=True, help="remove the sites that are there; otherwise the catalogue must be empty")
@click.pass_obj
def restore(console: Console, file: Path, *, replace: bool) -> None:
    """Write what a backup holds into the catalogue and the storage that the settings name, whichever they are.

    `-` is standard input, which is kept in TMPDIR meanwhile. Stop web processes and workers before. The rows are restored
    together or not at all.
    """
    services = console.services
    try:
        with _opened(file) as source, tarfile.open(fileobj=source, mode="r:*") as archive:
            about = _read_about(archive)
            services.catalogue_backup.require_restorable(str(about["revision"]), replace=replace)
            pictures = [entry for entry in archive.getmembers() if entry.isfile() and entry.name.startswith(_PICTURES)]
            restored = 0
            with console.progress(pictures, "Pictures") as shown:
                for entry in shown:
                    restored += _restore_picture(archive, services, entry)
            counts = services.catalogue_backup.restore(_rows(archive), str(about["revision"]), replace=replace)
    except (tarfile.TarError, zlib.error, EOFError, KeyError, ValueError) as err:
        raise click.ClickException(f"{file} is no backup of this service, or damaged ({err})") from None
    except NotRestored as err:
        raise click.ClickException(str(err)) from None
    except OSError as err:
        raise click.ClickException(f"{file}: {err.strerror or err}") from None
    services.site_pictures.all_changed(services.catalogue_backup.site_ids())  # a number may stand for another site now
    facts = {"rows": counts, "pictures": restored}
    console.show(facts, f"Restored {counts['sites']:,} sites, {counts['versions']:,} versions, {restored:,} pictures")


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """Open a backup. Its parts are not read in their order, so what comes from a pipe is copied first."""
    if file != _STANDARD:
        with file.open("rb") as source:
            yield source
        return
    if sys.stdin.buffer.isatty():
        raise click.ClickException("a terminal sends no backup; add < and its name")
    with tempfile.TemporaryFile() as source:
        shutil.copyfileobj(sys.stdin.buffer, source)
        source.seek(0)
        yield source


def _read_about(archive: tarfile.TarFile) -> dict[str, Any]:
    found = archive.extractfile(_ABOUT)
    about = dict(json.loads(found.read())) if found else {}
    if about.get("version") != _VERSION:
        raise NotRestored(f"this version of the service reads backups of version {_VERSION} only")
    if about.get("end") not in (None, archive.getnames()[-1]):
        raise NotRestored("the backup is damaged: the command that made it did not finish; make another one")
    return about


def _rows(archive: tarfile.TarFile) -> Iterator[Any]:
    found = archive.extractfile(_ROWS)
    if found is None:
        raise NotRestored("the backup is damaged: it has no rows")
    yield from map(decode, found)


def _restore_picture(archive: tarfile.TarFile, services: Services, entry: tarfile.TarInfo) -> int:
    """Store a picture again. Its key follows from its bytes, so a changed file is noticed. Return whether it is there."""
    key, found = entry.name.removeprefix(_PICTURES), archive.extractfile(entry)
    body = found.read() if found else b""
    picture = Picture(body, content_type_of(key), 0, 0, datetime.now(UTC))
    kind, _, rest = key.partition("/")
    if kind == "sites":
        stored = services.storage.put_for_site(picture, int(rest.partition("/")[0]))
    elif kind == "thumbs":
        stored = services.storage.put(picture)
    else:
        return 0
    if stored.key != key:
        raise NotRestored(f"the backup is damaged: {key} has other bytes than it should have")
    return 1

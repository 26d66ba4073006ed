"""The shell commands of the documents, and a workshop in which they run without the platforms that they are for.

In the workshop, `curl`, `bash` and the command `thumbnails` are real, and everything that would reach another machine, a
platform or the system is a stand-in. A stand-in notes what it was asked; `platforms.faults` judges that afterwards. A program
that is neither is not found, so the commands of a new page either run or fail a test.
"""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.preloaded import FOLDER, ROOT, production_environ

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("clients/*/README.md")])
_FENCE = re.compile(
    r"(?:^ *<!-- (?P<mark>[a-z]+): (?P<name>[\w-]+) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```",
    re.MULTILINE | re.DOTALL,
)
# Real programs. All else must be a stand-in.
REAL = ("bash", "cat", "curl", "cut", "env", "grep", "head", "mkdir", "openssl", "sh", "sort", "tail", "tr", "uniq")
STAND_INS = (
    *("apt-get", "docker", "fly", "gcloud", "git", "helm", "install", "journalctl", "kubectl", "npm", "pip", "prometheus"),
    *("python", "ssh", "systemctl", "systemd-analyze", "systemd-sysusers", "cp", "gunicorn", "make", "promtool", "thumbnails", "thumbnail-mcp"),
)  # fmt: skip


@dataclass(frozen=True)
class Block:
    """A block of code on a page. `mark` and `name` are those of a comment before it: `<!-- shell: compose -->`."""

    page: str
    line: int
    language: str
    script: str
    mark: str
    name: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return all blocks of code on a page, in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            str(page.relative_to(ROOT)),
            text.count("\n", 0, found.start("indent")) + 1,
            found["language"],
            textwrap.dedent(found["text"]),
            found["mark"] or "",
            found["name"] or "",
        )
        for found in _FENCE.finditer(text)
    ]


@dataclass(frozen=True)
class Ran:
    """How a script ended: `calls` are the words that each stand-in was called with, its name first."""

    status: int
    stdout: str
    stderr: str
    calls: list[list[str]]


class Workshop:
    """A folder of programs. Scripts run in folders of their own, in which the files of a checkout are found."""

    def __init__(self, folder: Path, log: str, addresses: Mapping[str, str]) -> None:
        """`log` is what each platform shows as the log of any process. `addresses` maps those of the pages to real ones."""
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        (folder / "memory").mkdir()
        for name in REAL:
            (folder / "bin" / name).symlink_to(_found(name))
        stand_in = folder / "stand-in"
        stand_in.write_text(_STAND_IN, encoding="utf-8")
        stand_in.chmod(0o755)
        for name in STAND_INS:
            (folder / "bin" / name).symlink_to(stand_in)
        (folder / "log").write_text(log, encoding="utf-8")
        lines = [f'connect-to = "{here}:{there}"\n' for here, there in addresses.items()]
        (folder / ".curlrc").write_text("".join(lines), encoding="utf-8")

    def folder_of(self, page: str) -> Path:
        """Return the folder of a page's commands, which looks like a checkout without a `.env`."""
        folder = self.folder / "pages" / re.sub(r"\W", "-", page)
        if folder.exists():
            return folder
        (folder / ".venv/bin").mkdir(parents=True)
        (folder / "data").mkdir()
        for program in ("thumbnails", "python"):
            (folder / ".venv/bin" / program).symlink_to(self.folder / "stand-in")
        for path in ROOT.iterdir():
            if not path.name.startswith(".") and path.name != "data":
                (folder / path.name).symlink_to(path)
        return folder

    def run(self, script: str, folder: Path, environ: Mapping[str, str]) -> Ran:
        """Run a script by bash, which ends with the first command that fails."""
        noted = self.folder / "calls"
        noted.write_bytes(b"")
        ours = {
            "PATH": str(self.folder / "bin"),
            "HOME": str(self.folder),  # where curl finds its settings
            "WORKSHOP": str(self.folder),
            "CHECKOUT": str(ROOT),
            "CHECKOUTS_PYTHONPATH": production_environ()["PYTHONPATH"],
            "REAL_PYTHON": sys.executable,
            "REAL_PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
        }
        shared = {name: value for name, value in os.environ.items() if name == FOLDER}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env={**environ, **ours, **shared},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Ran(done.returncode, done.stdout, done.stderr, [*_calls(noted.read_text(encoding="utf-8"))])


def _found(name: str) -> str:
    path = shutil.which(name)
    assert path, f"the commands of the documents need {name}"
    return path


def _calls(noted: str) -> Iterator[list[str]]:
    for call in noted.split("\x1e")[:-1]:
        yield call.split("\x1f")[:-1]


# Notes its words, and does what the rest of a script needs of it.
_STAND_IN = r"""#!/bin/bash
program=${0##*/}
{ printf '%s\x1f' "$program" "$@"; printf '\x1e'; } >> "$WORKSHOP/calls"

real() { PATH=$REAL_PATH exec "$@"; }

ours() { PYTHONPATH=$CHECKOUTS_PYTHONPATH real "$REAL_PYTHON" -S -P -m tests.support.preloaded "$@"; }

thumbnails() {  # what it only says is asked for once
    case "$*" in
        *doctor|explain*|sign*|"backup -") ;;
        *) ours cli "$@" ;;
    esac
    said=$WORKSHOP/memory/$(printf '%s ' "$@" | cut -c1-200 | tr -c 'a-zA-Z0-9\n' _)
    if [ ! -e "$said" ]; then
        (ours cli "$@") > "$said.draft" || { status=$?; cat "$said.draft"; exit $status; }
        PATH=$REAL_PATH mv "$said.draft" "$said"
    fi
    cat "$said"
    exit
}

inside() {  # a command in a container: the words after its options and the name of its service
    while [ $# -gt 0 ]; do
        case $1 in
            --env) shift 2 ;;
            -*) shift ;;
            *) shift; break ;;
        esac
    done
    [ "$1" != -- ] || shift
    [ "$1" = thumbnails ] || exit 0
    shift
    thumbnails "$@"
}

case $program in
    thumbnails) thumbnails "$@" ;;
    docker)
        case "$1 $2" in
            "compose logs") cat "$WORKSHOP/log" ;;
            "compose exec"|"compose run") shift 2; inside "$@" ;;
            "run --rm") shift 3; [ "$1" != cat ] || echo "$2" ;;
        esac ;;
    kubectl)
        case $1 in
            logs) cat "$WORKSHOP/log" ;;
            exec) shift; inside "$@" ;;
        esac ;;
    fly)
        case "$1 $2" in
            "logs "*) cat "$WORKSHOP/log" ;;
            "ssh console") inside web ${!#} ;;
        esac ;;
    gcloud) [ "$3" != logs ] || cat "$WORKSHOP/log" ;;
    journalctl) cat "$WORKSHOP/log" ;;
    make) real make --dry-run "${@/#\/opt\/thumbnails/$CHECKOUT}" ;;
    promtool) real promtool "$@" ;;
    gunicorn) ours gunicorn --check-config "$@" ;;
esac
"""

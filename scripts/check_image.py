"""Execute the Dockerfile without Docker, start its images and take a picture through them: `make check-image`.

Debian's own Python replaces the base image's. All else is as in the Dockerfile.
Needs root, debootstrap and a separate mount namespace, which the Makefile creates.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scripts.run import free_ports
from scripts.supervisor import healthy

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
# Enters the root as a container does. In a chroot the kernel refuses user namespaces, which the sandbox needs.
ENTER_ROOT = """
mount --rbind "$0" "$0" && cd "$0" && mount -t tmpfs shm dev/shm && mkdir -p .old && pivot_root . .old && umount --lazy .old && exec "$@"
"""
HOST_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")


@dataclass
class Stage:
    """A stage of the Dockerfile: the folder that replaces its image, and the commands to start in it."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0:0"
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


def main() -> int:
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        sys.exit("make check-image needs root and debootstrap: apt-get install debootstrap")
    folder = Path(tempfile.mkdtemp(prefix="check-image-"))
    try:
        stages = build(folder)
        return take_picture(stages["engine"], stages["web"])
    finally:  # never across a mount, which may lead to this machine's own files
        subprocess.run(["umount", "--quiet", *folder.glob("*/proc")], check=False)
        subprocess.run(["rm", "--recursive", "--force", "--one-file-system", folder], check=False)


def build(folder: Path) -> dict[str, Stage]:
    """Execute every instruction. Each stage starts as a copy of the stage that it is built on."""
    stages: dict[str, Stage] = {}
    for word, rest in instructions():
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages[name] = stage = (
                copy_stage(stages[base], folder / name) if base in stages else bootstrap(base, folder)
            )
        else:
            execute(stages, stage, word, rest)
    return stages


def instructions() -> Iterator[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


def bootstrap(base: str, folder: Path) -> Stage:
    """Make the base image: the Debian release that its tag names, with `python` and `pip` in /usr/local."""
    release = base.rpartition("-")[2]
    root = folder / "base"
    packages = "--include=python3,python3-venv,ca-certificates"
    report(f"debootstrap {release}")
    subprocess.run(["debootstrap", "--variant=minbase", packages, release, root, mirror()], check=True, stdout=-3)
    for path in filter(os.path.exists, HOST_FILES):
        shutil.copy(path, f"{root}{path}")
    stage = Stage(root)
    mount_proc(stage)
    run(stage, ["python3", "-m", "venv", "/usr/local"])
    return stage


def mirror() -> str:
    """Ask apt which mirror this machine uses."""
    ask = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"]
    return subprocess.run(ask, check=True, capture_output=True, text=True).stdout.splitlines()[0]


def mount_proc(stage: Stage) -> None:
    subprocess.run(["mount", "-t", "proc", "proc", stage.root / "proc"], check=True)


def copy_stage(base: Stage, root: Path) -> Stage:
    subprocess.run(["cp", "--archive", "--one-file-system", base.root, root], check=True)
    stage = Stage(root, dict(base.env), base.folder, base.user)
    mount_proc(stage)
    return stage


def execute(stages: dict[str, Stage], stage: Stage, word: str, rest: str) -> None:
    match word:
        case "ENV":
            stage.env |= dict(pair.split("=", 1) for pair in rest.split())
        case "WORKDIR":
            stage.folder = rest
            (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        case "USER":
            stage.user = rest
        case "COPY" if rest.startswith("--from="):
            name, source, target = rest.removeprefix("--from=").split()
            shutil.copy(f"{stages[name].root}{source}", f"{stage.root}{target}")
        case "COPY":
            copy_files(stage, *rest.split())
        case "RUN":
            report(f"RUN {rest}")
            run(stage, ["sh", "-c", rest])
        case "CMD":
            stage.command = json.loads(rest)
        case "HEALTHCHECK":
            stage.health = json.loads(rest[rest.index("[") :])


def copy_files(stage: Stage, *words: str) -> None:
    """Copy only tracked files. Untracked files in the checkout must not make the check pass."""
    *sources, target = words
    list_files = ["git", "ls-files", "--", *(f":(glob){source}" for source in sources)]  # where * stops at a slash
    listed = subprocess.run(list_files, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    folder = stage.root / str(Path(stage.folder, target)).lstrip("/")
    for name in listed.splitlines():
        inside = name.removeprefix(f"{sources[0]}/") if (ROOT / sources[0]).is_dir() else Path(name).name
        (folder / inside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / inside)


def run(stage: Stage, command: list[str]) -> None:
    subprocess.run(inside(stage, command), env=environ(stage), check=True, stdout=subprocess.DEVNULL)


def inside(stage: Stage, command: list[str]) -> list[str]:
    user, _, group = stage.user.partition(":")
    drop = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
    confinement = [] if user == "0" else drop
    enter = ["unshare", "--mount", "sh", "-c", ENTER_ROOT, str(stage.root)]
    return [*enter, *confinement, "env", "-C", stage.folder, *command]


def environ(stage: Stage) -> dict[str, str]:
    """Return the stage's variables, over those of this machine, which pip and certificates may need."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return os.environ | stage.env | {"PATH": path, "HOME": "/tmp", "DEBIAN_FRONTEND": "noninteractive"}  # noqa: S108


def take_picture(engine: Stage, web: Stage) -> int:
    """Start both images, wait for their health checks, and take a picture of the demo page through the web image."""
    web_port, engine_port, demo_port = free_ports(3)
    engine.env |= {"ENGINE_PORT": engine_port, "PRIVATE_TARGETS": f"{LOOPBACK}:{demo_port}"}
    web.env |= {"PORT": web_port, "CAPTURE_URL": f"http://{LOOPBACK}:{engine_port}"}
    web.env |= {"PRIVATE_TARGETS": f"{LOOPBACK}:{demo_port}"}
    demo = [sys.executable, "-m", "demo"]
    with started(demo, os.environ | {"DEMO_PORT": demo_port}), serving(engine, engine_port), serving(web, web_port):
        for stage in (engine, web):
            report_parts(stage)
        target = f"http://{LOOPBACK}:{web_port}/thumb?url=http://{LOOPBACK}:{demo_port}/&w=640"
        picture = subprocess.run(["curl", "-fsS", target], check=True, capture_output=True).stdout
    report(f"a picture of {len(picture)} bytes, {picture[:8]!r}")
    return 0 if picture.startswith(b"\x89PNG") else 1


def report_parts(stage: Stage) -> None:
    """Say how many parts the image lists, and how large the lists are."""
    sbom, licences = (stage.root / "app" / name for name in ("sbom.json", "licences.txt"))
    parts = json.loads(sbom.read_text(encoding="utf-8"))["components"]
    sizes = f"{sbom.stat().st_size:,} and {licences.stat().st_size:,} bytes"
    report(f"{stage.root.name}: {len(parts)} parts in sbom.json and licences.txt, {sizes}")


@contextmanager
def serving(stage: Stage, port: str) -> Iterator[None]:
    report(f"starting {stage.root.name} as {stage.user}")
    with started(inside(stage, stage.command), environ(stage)):
        deadline = time.monotonic() + 30
        while not healthy((LOOPBACK, int(port))) and time.monotonic() < deadline:
            time.sleep(0.2)
        run(stage, stage.health)
        report(f"{stage.root.name}: its health check passes")
        yield


@contextmanager
def started(command: list[str], env: dict[str, str]) -> Iterator[None]:
    with subprocess.Popen(command, env=env) as process:
        try:
            yield
        finally:
            process.terminate()


def report(text: str) -> None:
    print(f"check-image: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

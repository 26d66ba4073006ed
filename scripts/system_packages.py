"""The packages of the system that set-up installs: what each is for, its names for apt, dnf and brew, and how to get it.

Uses only the standard library: set-up runs before any requirement is installed.
"""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

# On Debian, an ordinary user's PATH lacks the folder of servers.
SYSTEM_PATH = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
# Homebrew keeps several versions of PostgreSQL beside each other, and none of them on the PATH.
POSTGRESQL = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin")
WELL_KNOWN = "curl"  # a package that every manager has
OS_RELEASE = Path("/etc/os-release")  # https://www.freedesktop.org/software/systemd/man/latest/os-release.html

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a package is for. Of a manager's names, the first that it offers is installed.

    `lost` is what pictures lack without it. If it is empty, nothing works without it.
    """

    served: Callable[[], bool]
    apt: Names = ()
    dnf: Names = ()
    brew: Names = ()
    lost: str = ""


Purposes = Mapping[str, Purpose]


@dataclass(frozen=True, slots=True)
class Manager:
    """A package manager: the commands that an operator types, and the questions that it answers.

    `offers` returns which of some names it has packages for, `has` whether one is installed.
    """

    name: str
    system: str
    install: Names
    quiet: Names  # in place of the first word of `install`
    offers: Callable[[Collection[str]], set[str]]
    has: Callable[[str], bool]
    update: Names = ()
    for_root: bool = True

    def names(self, purpose: Purpose) -> Names:
        return {"apt": purpose.apt, "dnf": purpose.dnf, "brew": purpose.brew}[self.name]

    def line(self, packages: Collection[str]) -> str:
        return " ".join((*self.install, *packages))


def essentials() -> dict[str, Purpose]:
    """Return what `make run` needs beside a browser."""
    return {
        "ensurepip": Purpose(
            lambda: importlib.util.find_spec("ensurepip") is not None,
            apt=(f"python3.{sys.version_info.minor}-venv",),
            dnf=("python3-libs",),
            brew=(f"python@3.{sys.version_info.minor}",),
        ),
        "curl": Purpose(program("curl"), apt=("curl",), dnf=("curl",), brew=("curl",)),
        "Redis": Purpose(
            lambda: redis_server() is not None,
            apt=("redis-server", "valkey-server"),
            dnf=("valkey", "redis"),
            brew=("redis", "valkey"),
        ),
    }


def for_tests() -> dict[str, Purpose]:
    purposes = {
        "nginx": Purpose(program("nginx"), apt=("nginx-light", "nginx"), dnf=("nginx",), brew=("nginx",)),
        # The front door's code is run in tests. A machine with Go needs no other compiler for it.
        "PHP": Purpose(program("php"), apt=("php-cli",), dnf=("php-cli",), brew=("php",)),
        "Go": Purpose(
            lambda: any(map(shutil.which, ("go", "gccgo"))), apt=("gccgo",), dnf=("golang", "gcc-go"), brew=("go",)
        ),
        "PostgreSQL": Purpose(
            lambda: postgresql_programs() is not None,
            apt=("postgresql",),
            dnf=("postgresql-server",),
            brew=("postgresql@17", "postgresql@16"),
        ),
        # For other services' own clients.
        "Node": Purpose(program("node"), apt=("nodejs",), dnf=("nodejs",), brew=("node",)),
        "npm": Purpose(program("npm"), apt=("npm",), dnf=("nodejs-npm", "npm"), brew=("node",)),
        # Its promtool judges the alerts, and a server of its own reads the metrics.
        "Prometheus": Purpose(
            program("promtool"),
            apt=("prometheus",),
            dnf=("golang-github-prometheus", "prometheus"),
            brew=("prometheus",),
        ),
    }
    return {name: replace(each, lost=f"tests that need {name}") for name, each in purposes.items()}


def for_benches() -> dict[str, Purpose]:
    return {"wrk": Purpose(program("wrk"), apt=("wrk",), dnf=("wrk",), brew=("wrk",), lost="make bench (wrk)")}


def pictures(manager: Manager | None) -> dict[str, Purpose]:
    """Return what makes pictures as visitors see them: fonts (42 MB in all), pdf.js, lists of advertisements.

    macOS has fonts of its own.
    """
    purposes = {
        "Latin": Purpose(never, apt=("fonts-liberation",), dnf=("liberation-fonts-all", "liberation-fonts")),
        "emoji": Purpose(never, apt=("fonts-noto-color-emoji",), dnf=("google-noto-color-emoji-fonts",)),
        "other scripts": Purpose(never, apt=("fonts-noto-core",), dnf=("default-fonts", "google-noto-fonts-all")),
        "CJK": Purpose(never, apt=("fonts-wqy-zenhei",), dnf=("wqy-zenhei-fonts", "google-noto-sans-cjk-fonts")),
        "pdf.js": Purpose(never, apt=("libjs-pdf",), lost="pictures of PDFs (pdf.js)"),
        "rare CJK": Purpose(
            never,
            apt=("fonts-babelstone-han",),
            dnf=("babelstone-han-fonts",),
            lost="a font for rare Chinese characters",
        ),
        "filter lists": Purpose(
            never, apt=("webext-ublock-origin-chromium",), lost="block_ads (the lists of uBlock Origin)"
        ),
    }
    of_the_system = {"Latin", "emoji", "other scripts", "CJK", "rare CJK"} if manager is BREW else set()
    return {
        name: replace(each, served=partial(has_package, manager, each), lost=each.lost or f"a font for {name}")
        for name, each in purposes.items()
        if name not in of_the_system
    }


# What a headless shell that is fetched is linked with: the list of Playwright's installer, which names packages of
# Debian and Ubuntu alone. Some have new names since they count seconds in 64 bits.
LIBRARIES = (
    (("libasound2t64", "libasound2"), ("alsa-lib",)),
    (("libatk-bridge2.0-0t64", "libatk-bridge2.0-0"), ("at-spi2-atk",)),
    (("libatk1.0-0t64", "libatk1.0-0"), ("atk",)),
    (("libatspi2.0-0t64", "libatspi2.0-0"), ("at-spi2-core",)),
    (("libcairo2",), ("cairo",)),
    (("libcups2t64", "libcups2"), ("cups-libs",)),
    (("libdbus-1-3",), ("dbus-libs",)),
    (("libdrm2",), ("libdrm",)),
    (("libgbm1",), ("mesa-libgbm",)),
    (("libglib2.0-0t64", "libglib2.0-0"), ("glib2",)),
    (("libnspr4",), ("nspr",)),
    (("libnss3",), ("nss",)),
    (("libpango-1.0-0",), ("pango",)),
    (("libx11-6",), ("libX11",)),
    (("libxcb1",), ("libxcb",)),
    (("libxcomposite1",), ("libXcomposite",)),
    (("libxdamage1",), ("libXdamage",)),
    (("libxext6",), ("libXext",)),
    (("libxfixes3",), ("libXfixes",)),
    (("libxkbcommon0",), ("libxkbcommon",)),
    (("libxrandr2",), ("libXrandr",)),
)


def libraries(manager: Manager | None) -> dict[str, Purpose]:
    """Return what a headless shell that is fetched needs. On macOS, it brings all with it."""
    if manager is BREW:
        return {}
    purposes = [Purpose(never, apt, dnf) for apt, dnf in LIBRARIES]
    return {each.apt[-1]: replace(each, served=partial(has_package, manager, each)) for each in purposes}


def never() -> bool:
    return False


def program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin") is not None


def redis_server() -> str | None:
    """Find Redis, or Valkey, which Fedora has in its place."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


def postgresql_programs() -> Path | None:
    """Find the folder of PostgreSQL's programs: of those for one version each, the newest counts."""
    folders = [Path(found).parent for pattern in POSTGRESQL for found in Path("/").glob(f"{pattern[1:]}/initdb")]
    on_the_path = shutil.which("initdb")
    if folders:
        return max(folders, key=lambda folder: int("".join(filter(str.isdigit, folder.parent.name))))
    return Path(on_the_path).parent if on_the_path else None


def has_package(manager: Manager | None, purpose: Purpose) -> bool:
    """Return whether a package for `purpose` is installed. True without a manager, since pictures work without."""
    return manager is None or any(map(manager.has, manager.names(purpose)))


def package_manager(system: str = platform.system(), os_release: Path = OS_RELEASE) -> Manager | None:
    """Return the package manager of this machine, if we know it. Fedora has a program named apt-get, too."""
    if system == "Darwin":
        return BREW
    words = _distributions(os_release)
    known = {"debian": APT, "ubuntu": APT, "fedora": DNF, "rhel": DNF, "centos": DNF}
    candidates = [*(known[word] for word in words if word in known), APT, DNF]
    return next((each for each in candidates if shutil.which(each.install[0])), None)


def _distributions(os_release: Path) -> list[str]:
    """Return the distribution's name in os-release(5), and then those that it is like."""
    try:
        lines = os_release.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    return " ".join(pairs.get(name, "").strip("\"'") for name in ("ID", "ID_LIKE")).split()


def install_missing(missing: Purposes, manager: Manager | None) -> list[str]:
    """Install a package for each purpose. Return the purposes for which there is none here, and nothing else fails.

    Exits with a message that says what to type if the packages cannot be installed.
    """
    if manager is None or not shutil.which(manager.install[0]):
        sys.exit(_by_hand(missing, manager))
    if manager.for_root and not can_be_root():
        packages = _first_names(missing, manager)
        if not packages:
            return list(missing)
        sys.exit(
            f"Some system packages are missing, and sudo is not installed. Run as root:\n  {manager.line(packages)}"
        )
    if not manager.for_root and os.geteuid() == 0:
        sys.exit(f"{manager.system} does not install packages for root. Start this as an ordinary user.")
    offered = manager.offers([*(name for each in missing.values() for name in manager.names(each)), WELL_KNOWN])
    if WELL_KNOWN not in offered:  # it could not learn its packages, and says why when it is asked to install one
        offered = set(_first_names(missing, manager))
    chosen = {key: next(filter(offered.__contains__, manager.names(each)), "") for key, each in missing.items()}
    absent = [key for key, package in chosen.items() if not package]
    if needed := [key for key in absent if not missing[key].lost]:
        sys.exit(
            f"{manager.name} has no package here for {', '.join(needed)}. Install it in another way: nothing runs without."
        )
    packages = list(dict.fromkeys(filter(None, chosen.values())))
    if packages:
        print(f"Installing with {manager.name}: {' '.join(packages)}", flush=True)
        run(manager, *manager.install[1:], *packages)
    return absent


def update(manager: Manager | None) -> None:
    """Let the manager learn which packages there are, if it does not do so by itself."""
    if manager and manager.update and shutil.which(manager.update[0]) and can_be_root():
        run(manager, *manager.update[1:], may_fail=True)  # another repository on this machine may be broken


def can_be_root() -> bool:
    return os.geteuid() == 0 or bool(shutil.which("sudo"))


def run(manager: Manager, *arguments: str, may_fail: bool = False) -> None:
    """Run the manager, as root if it needs that, silently unless it fails."""
    become_root = ["sudo"] if manager.for_root and os.geteuid() != 0 else []
    done = subprocess.run([*become_root, *manager.quiet, *arguments], capture_output=True, text=True, check=False)
    if done.returncode and not may_fail:
        command = " ".join((manager.install[0], *arguments))
        sys.exit(f"{done.stdout}{done.stderr}\n{manager.install[0]} failed. The command was:\n  {command}")


def _first_names(missing: Purposes, manager: Manager) -> list[str]:
    return list(dict.fromkeys(names[0] for each in missing.values() if (names := manager.names(each))))


def _by_hand(missing: Purposes, manager: Manager | None) -> str:
    if manager is BREW:
        packages = _first_names(missing, BREW)
        return f"Homebrew is not installed: see https://brew.sh. Or install these yourself: {', '.join(packages)}."
    packages = _first_names(missing, APT)
    return f"These packages are missing: {', '.join(packages)}. Install them; on Debian:\n  {APT.line(packages)}"


def apt_offers(names: Collection[str]) -> set[str]:
    """Return the names for which apt has a package to install: some names are only known, as another's substitute."""
    show = subprocess.run(["apt-cache", "policy", *names], capture_output=True, text=True, check=False)
    offered, name = set(), ""
    for line in show.stdout.splitlines():
        if not line.startswith(" "):
            name = line.removesuffix(":")
        elif line.startswith("  Candidate: ") and not line.endswith("(none)"):
            offered.add(name)
    return offered


def dnf_offers(names: Collection[str]) -> set[str]:
    query = ["dnf", "-q", "repoquery", "--queryformat", "%{name}\n", *names]
    return set(subprocess.run(query, capture_output=True, text=True, check=False).stdout.split())


def dpkg_has(name: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", name]
    return not shutil.which(query[0]) or _answer(query) == "installed"


def rpm_has(name: str) -> bool:
    return not shutil.which("rpm") or bool(_answer(["rpm", "--query", "--queryformat", "%{name}", name], status=0))


def _answer(command: list[str], status: int | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if status in (None, done.returncode) else ""


APT = Manager(
    "apt",
    "Debian",
    install=("apt-get", "install", "-y", "--no-install-recommends"),
    # A fresh machine is often updating itself.
    quiet=("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"),
    offers=apt_offers,
    has=dpkg_has,
    update=("apt-get", "update"),
)
DNF = Manager(
    "dnf",
    "Fedora",
    install=("dnf", "install", "-y", "--setopt=install_weak_deps=False"),
    quiet=("dnf", "-q"),
    offers=dnf_offers,
    has=rpm_has,
)
BREW = Manager(
    "brew",
    "Homebrew",
    install=("brew", "install"),
    quiet=("brew",),
    offers=set,  # it says itself what it does not know
    has=lambda _: False,
    for_root=False,
)

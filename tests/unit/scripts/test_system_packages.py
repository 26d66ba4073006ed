"""`make setup` on Debian, Ubuntu, Fedora and macOS. Programs stand in for their package managers, and log what they are asked."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scripts import headless_shell, setup
from scripts.system_packages import LIBRARIES, package_manager

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n'
UBUNTU = 'NAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n'
MINT = 'ID=linuxmint\nID_LIKE="ubuntu debian"\n'
FEDORA = 'NAME="Fedora Linux"\nVERSION_ID=44\nID=fedora\n'
ROCKY = 'ID="rocky"\nID_LIKE="rhel centos fedora"\n'

LOG = 'echo "${0##*/} $*" >>"${0%/*}/../log"\n'
# What a manager's programs answer about the packages that the file `offered` names, one in each line.
OFFERED = 'while read -r each; do case " $* " in *" $each "*) answer "$each";; esac; done <"${0%/*}/../offered"\n'
PROGRAMS = {
    "apt-get": LOG,
    "apt-cache": 'answer() { printf "%s:\\n  Installed: (none)\\n  Candidate: 1.0\\n" "$1"; }\n' + OFFERED,
    "dpkg-query": "exit 1\n",
    "dnf": 'answer() { echo "$1"; }\ncase "$*" in *repoquery*) ' + OFFERED + ";; *) " + LOG + ";; esac\n",
    "rpm": "echo package is not installed; exit 1\n",
    "brew": LOG,
    "sudo": 'echo "sudo" >>"${0%/*}/../log"\nexec "$@"\n',
}
APT, DNF = ("apt-get", "apt-cache", "dpkg-query"), ("dnf", "rpm")


@dataclass
class Machine:
    """A machine that has nothing but a package manager."""

    folder: Path
    system: str = "Linux"
    os_release: str = ""
    user: int = 0
    environ: dict[str, str] = field(default_factory=dict)

    def add(self, *programs: str) -> None:
        for name in programs:
            path = self.folder / "bin" / name
            path.write_text(f"#!/bin/sh\n{PROGRAMS[name]}", encoding="utf-8")
            path.chmod(0o755)

    def offer(self, *names: str) -> None:
        (self.folder / "offered").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")

    def install(self, *kinds: str) -> tuple[list[str], bool]:
        (self.folder / "os-release").write_text(self.os_release, encoding="utf-8")
        manager = package_manager(self.system, self.folder / "os-release")
        return setup.install_packages(self.environ, kinds, manager)

    @property
    def log(self) -> list[str]:
        log = self.folder / "log"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []

    @property
    def installed(self) -> list[str]:
        """The packages of the only command that installed any."""
        (line,) = [line for line in self.log if " install " in line]
        return [word for word in line.split(" install ")[1].split() if not word.startswith("-")]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/env").symlink_to(shutil.which("env"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("PACKAGED", "FULL_BROWSERS"):
        monkeypatch.setattr(headless_shell, name, ())
    monkeypatch.setattr(headless_shell, "DEBIANS", tmp_path / "no-shell")
    monkeypatch.setattr(headless_shell, "FEDORAS", tmp_path / "no-shell")
    monkeypatch.setattr(setup, "ABSENT", tmp_path / "absent")
    made = Machine(tmp_path, environ={"PLAYWRIGHT_BROWSERS_PATH": str(tmp_path / "browsers")})
    monkeypatch.setattr(os, "geteuid", lambda: made.user)
    made.offer()
    return made


ON_DEBIANS = (
    "curl",
    "redis-server",
    "fonts-liberation",
    "fonts-noto-color-emoji",
    "fonts-noto-core",
    "fonts-wqy-zenhei",
)
ON_DEBIANS += ("libjs-pdf", "fonts-babelstone-han", "webext-ublock-origin-chromium")
ON_FEDORA = (
    "curl",
    "valkey",
    "liberation-fonts-all",
    "google-noto-color-emoji-fonts",
    "default-fonts",
    "wqy-zenhei-fonts",
)
OLD, NEW = ("libasound2", "libglib2.0-0", "libcups2"), ("libasound2t64", "libglib2.0-0t64", "libcups2t64")
OTHERS = (
    "libatk-bridge2.0-0",
    "libatk1.0-0",
    "libatspi2.0-0",
    "libcairo2",
    "libdbus-1-3",
    "libdrm2",
    "libgbm1",
    "libnspr4",
)
OTHERS += (
    "libnss3",
    "libpango-1.0-0",
    "libx11-6",
    "libxcb1",
    "libxcomposite1",
    "libxdamage1",
    "libxext6",
    "libxfixes3",
)
OTHERS += ("libxkbcommon0", "libxrandr2")


def test_debian_has_a_package_for_everything(machine):
    machine.os_release = DEBIAN
    machine.add(*APT)
    machine.offer(*ON_DEBIANS, "chromium-headless-shell", "chromium-sandbox")
    assert machine.install() == ([], False)
    assert machine.log[0] == "apt-get -qq -o DPkg::Lock::Timeout=300 update"
    assert set(machine.installed) == {*ON_DEBIANS, "chromium-headless-shell", "chromium-sandbox"}


@pytest.mark.parametrize("os_release", [UBUNTU, MINT])
def test_ubuntu_gets_the_libraries_of_a_headless_shell_that_is_fetched(machine, os_release):
    machine.os_release = os_release
    machine.add(*APT)
    machine.offer(*ON_DEBIANS, *OLD, *NEW, *OTHERS)
    assert machine.install() == ([], True)
    assert set(machine.installed) == {*ON_DEBIANS, *NEW, *OTHERS}


def test_an_older_ubuntu_has_the_libraries_under_their_older_names(machine):
    machine.os_release = UBUNTU
    machine.add(*APT)
    machine.offer(*ON_DEBIANS, *OLD, *OTHERS)
    assert machine.install() == ([], True)
    assert set(machine.installed) == {*ON_DEBIANS, *OLD, *OTHERS}


def test_fedora_has_the_headless_shell_and_valkey_and_neither_pdfjs_nor_filter_lists(machine):
    machine.os_release = FEDORA
    machine.add(*DNF, *APT)  # Fedora has a program named apt-get, too
    machine.offer(*ON_FEDORA, "redis", "chromium-headless", "chromium-common")
    assert machine.install() == (["pdf.js", "rare CJK", "filter lists"], False)
    assert set(machine.installed) == {*ON_FEDORA, "chromium-headless", "chromium-common"}
    assert machine.log[0].startswith("dnf -q install -y --setopt=install_weak_deps=False ")


def test_a_relative_of_fedora_without_the_shell_gets_the_libraries(machine):
    machine.os_release = ROCKY
    machine.add(*DNF)
    libraries = [dnf[0] for _, dnf in LIBRARIES]
    machine.offer("curl", "redis", *libraries)
    absent, fetches = machine.install()
    assert fetches
    assert set(machine.installed) == {"curl", "redis", *libraries}
    assert "emoji" in absent


def test_macos_gets_packages_by_homebrew_without_sudo_and_a_headless_shell_that_is_fetched(machine):
    machine.user = 1000
    machine.system = "Darwin"
    machine.add("brew", "sudo")
    assert machine.install("dev") == (["pdf.js", "filter lists"], True)
    assert machine.log[0].startswith("brew install curl redis ")
    assert {"php", "go", "node", "prometheus"} <= set(machine.installed)
    assert machine.installed.count("node") == 1


def test_homebrew_is_not_asked_as_root(machine):
    machine.system = "Darwin"
    machine.add("brew")
    with pytest.raises(
        SystemExit, match=r"^Homebrew does not install packages for root\. Start this as an ordinary user\.$"
    ):
        machine.install()


def test_without_homebrew_it_says_where_that_is_and_what_is_missing(machine):
    machine.user = 1000
    machine.system = "Darwin"
    text = r"^Homebrew is not installed: see https://brew\.sh\. Or install these yourself: curl, redis\.$"
    with pytest.raises(SystemExit, match=text):
        machine.install()


def test_an_ordinary_user_installs_by_sudo(machine):
    machine.user = 1000
    machine.os_release = FEDORA
    machine.add(*DNF, "sudo")
    machine.offer(*ON_FEDORA, "chromium-headless", "chromium-common")
    machine.install()
    assert machine.log[0] == "sudo"
    assert machine.log[1].startswith("dnf -q install ")


@pytest.mark.parametrize(
    ("os_release", "programs", "line"),
    [
        (DEBIAN, APT, "  apt-get install -y --no-install-recommends curl redis-server fonts-liberation "),
        (FEDORA, DNF, "  dnf install -y --setopt=install_weak_deps=False curl valkey liberation-fonts-all "),
    ],
)
def test_without_sudo_it_says_the_line_that_root_must_run(machine, os_release, programs, line):
    machine.user = 1000
    machine.os_release = os_release
    machine.add(*programs)
    machine.offer("curl")
    with pytest.raises(SystemExit) as stopped:
        machine.install()
    first, second = str(stopped.value).splitlines()
    assert first == "Some system packages are missing, and sudo is not installed. Run as root:"
    assert second.startswith(line)
    assert machine.log == []


def test_where_apt_knows_no_packages_yet_the_line_names_those_of_debian(machine):
    machine.user = 1000
    machine.os_release = DEBIAN
    machine.add(*APT)
    with pytest.raises(SystemExit, match=r" chromium-headless-shell chromium-sandbox$"):
        machine.install()


def test_a_manager_that_could_not_learn_its_packages_is_asked_to_install_them_and_says_why_not(machine):
    """What a system has no package for would otherwise be all of them, for ever."""
    machine.os_release = DEBIAN
    machine.add(*APT)
    assert machine.install() == ([], False)
    assert machine.installed[:2] == ["curl", "redis-server"]


def test_what_nothing_runs_without_stops_it(machine):
    machine.os_release = DEBIAN
    machine.add(*APT)
    machine.offer("curl", "chromium-headless-shell", "chromium-sandbox")
    with pytest.raises(
        SystemExit, match=r"^apt has no package here for Redis\. Install it in another way: nothing runs without\.$"
    ):
        machine.install()


def test_what_a_system_has_no_package_for_is_said_once_and_not_looked_for_again(machine, capsys):
    machine.os_release = FEDORA
    machine.add(*DNF)
    machine.offer(*ON_FEDORA, "chromium-headless", "chromium-common")
    absent, _ = machine.install()
    setup.note_absent(absent, setup.purposes((), package_manager("Linux", machine.folder / "os-release")))
    lost = "pictures of PDFs (pdf.js), a font for rare Chinese characters, block_ads (the lists of uBlock Origin)"
    assert capsys.readouterr().out.splitlines()[-1] == f"This system has no package for: {lost}. All else works."
    again, _ = machine.install()
    assert again == []


def test_the_words_of_a_manager_that_fails_are_shown(machine, monkeypatch):
    monkeypatch.setitem(PROGRAMS, "dnf", PROGRAMS["dnf"].replace(LOG, "echo 'Error: no mirrors' >&2; exit 1\n"))
    machine.os_release = FEDORA
    machine.add(*DNF)
    machine.offer(*ON_FEDORA, "chromium-headless", "chromium-common")
    with pytest.raises(SystemExit) as stopped:
        machine.install()
    lines = str(stopped.value).splitlines()
    assert lines[0] == "Error: no mirrors"
    assert lines[-2] == "dnf failed. The command was:"
    assert lines[-1].startswith("  dnf install -y --setopt=install_weak_deps=False curl valkey ")


def test_a_full_browser_serves_where_the_system_has_no_headless_shell(machine, monkeypatch):
    chrome = machine.folder / "chrome"
    chrome.touch()
    monkeypatch.setattr(headless_shell, "FULL_BROWSERS", (chrome,))
    machine.os_release = UBUNTU
    machine.add(*APT)
    machine.offer(*ON_DEBIANS)
    assert machine.install() == ([], False)


def test_an_unknown_system_is_told_what_is_missing(machine):
    machine.os_release = "ID=arch\n"
    with pytest.raises(SystemExit, match="These packages are missing: curl, redis-server"):
        machine.install()

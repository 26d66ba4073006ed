"""Chromium's sandbox survives what container and systemd unit refuse: a browser takes a picture below both filters."""

import ctypes.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.conftest import small_engine

DEPLOY = Path(__file__).parents[3] / "deploy"
ANALYZE = shutil.which("systemd-analyze")
SECCOMP = ctypes.util.find_library("seccomp")
# Refuses the calls by EPERM, as runc and systemd do, and becomes the command that follows.
LOADED = """
import ctypes, json, os, sys

lib = ctypes.CDLL(sys.argv[1])
lib.seccomp_init.restype = ctypes.c_void_p
filter = ctypes.c_void_p(lib.seccomp_init(0x7FFF0000))
for name in json.loads(sys.argv[2]):
    number = lib.seccomp_syscall_resolve_name(name.encode())
    if number >= 0:
        assert lib.seccomp_rule_add_array(filter, 0x50000 | 1, number, 0, None) == 0, name
assert lib.seccomp_load(filter) == 0
os.execvp(sys.argv[3], sys.argv[3:])
"""


def in_the_container():
    """The calls that deploy/seccomp.json refuses whatever their arguments are."""
    profile = json.loads((DEPLOY / "seccomp.json").read_text(encoding="utf-8"))
    return {name for rule in profile["syscalls"] if "args" not in rule for name in rule["names"]}


def in_the_unit():
    """The calls that the engine's unit refuses: systemd takes the lines one after the other."""
    refused = set()
    for line in (DEPLOY / "systemd" / "thumbnails-engine.service").read_text(encoding="utf-8").splitlines():
        if line.startswith("SystemCallFilter="):
            words = line.partition("=")[2]
            named = set().union(*map(members, words.removeprefix("~").split()))
            refused = refused | named if words.startswith("~") else refused - named
    return refused


def members(name):
    """The system calls of one of systemd's groups, those of the groups in it included."""
    if not name.startswith("@"):
        return {name}
    command = [ANALYZE, "--no-pager", "syscall-filter", name]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[1:]
    return set().union(*(members(line.strip()) for line in listed if line.strip() and not line.strip().startswith("#")))


@pytest.mark.skipif(SECCOMP is None or ANALYZE is None, reason="no libseccomp or no systemd on this machine")
@pytest.mark.parametrize("refused", [in_the_container, in_the_unit])
def test_a_browser_has_its_sandbox_and_its_namespace_and_takes_a_picture(site, refused):
    names = refused()
    assert {"mount", "ptrace", "bpf", "setns", "io_uring_setup", "kexec_load"} <= names
    site.add("/calm", "<h1>calm</h1>")
    prefix = [sys.executable, "-c", LOADED, SECCOMP, json.dumps(sorted(names))]
    with small_engine(site, ENGINE_ISOLATION="namespace", prefix=prefix) as engine:
        health = engine.health()
        assert (health["sandbox"], health["isolation"]) == (True, "namespace")
        assert engine.capture(site.url("/calm")).content.startswith(b"\x89PNG")


@pytest.mark.skipif(ANALYZE is None, reason="no systemd on this machine")
def test_the_unit_refuses_what_the_container_refuses():
    """But for names of hosts, which ProtectHostname refuses, the log of the kernel, and what older versions do not know."""
    rest = {"nfsservctl", "open_tree_attr", "quotactl_fd", "setdomainname", "sethostname", "syslog"}
    assert in_the_container() - in_the_unit() <= rest

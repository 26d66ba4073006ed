"""The seccomp profile of the engine's container, loaded by libseccomp as runc does, into a process that then tries."""

import ctypes.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

PROFILE = Path(__file__).resolve().parents[3] / "deploy" / "seccomp.json"

# Only what runc does with the fields that the profile has: seccomp_init, _rule_add_array and _load of libseccomp.
LOADED = """
import ctypes, json, socket, sys

class Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("mask", ctypes.c_uint64), ("value", ctypes.c_uint64)]

lib = ctypes.CDLL(sys.argv[1])
lib.seccomp_init.restype = ctypes.c_void_p
profile = json.load(open(sys.argv[2]))
filter = ctypes.c_void_p(lib.seccomp_init(0x7FFF0000))
for rule in profile["syscalls"]:
    given = [Comparison(a["index"], 7, a["value"], a["valueTwo"]) for a in rule.get("args", [])]
    for name in rule["names"]:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # runc, too, leaves out what its libseccomp does not know
            array = (Comparison * len(given))(*given)
            assert lib.seccomp_rule_add_array(filter, 0x50000 | 1, number, len(given), array) == 0, name
assert lib.seccomp_load(filter) == 0

SOCKET = lib.seccomp_syscall_resolve_name(b"socket")
libc = ctypes.CDLL(None, use_errno=True)
def tried(family, kind, protocol):
    ctypes.set_errno(0)
    made = libc.syscall(*map(ctypes.c_long, (SOCKET, family, kind, protocol)))
    return "made" if made >= 0 else ctypes.get_errno()

print(json.dumps([tried(*arguments) for arguments in json.loads(sys.argv[3])]))
"""
HIGH_BITS = 1 << 40


@pytest.mark.skipif(
    ctypes.util.find_library("seccomp") is None,
    reason="no libseccomp on this machine",
)
def test_sockets_that_no_browser_needs_are_refused():
    refused = [(38, 5, 0), (38 | HIGH_BITS, 5, 0), (40, 1, 0), (16, 3, 12), (16 | HIGH_BITS, 3, 12 | HIGH_BITS)]
    needed = [(2, 1, 0), (10, 2, 0), (1, 1, 0), (16, 3, 0)]  # TCP, UDP over IPv6, a Unix socket, the list of interfaces
    command = [sys.executable, "-c", LOADED, ctypes.util.find_library("seccomp"), PROFILE, json.dumps(refused + needed)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == [1] * len(refused) + ["made"] * len(needed)

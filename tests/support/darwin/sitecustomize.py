"""Makes Python look as it does on macOS: without what Linux alone has, without /proc and /dev/shm, with macOS's limits.

On the PYTHONPATH of a process, it stands for macOS in tests. It shows that nothing of Linux is called. It cannot show that
what is called instead does the same on macOS.
"""

import ctypes
import fcntl
import os
import resource
import select
import signal
import socket
import sys
import sysconfig
import types

LINUX_ONLY = {
    os: """copy_file_range epoll_create eventfd eventfd_read eventfd_write fdatasync getrandom getresgid getresuid getxattr
        listxattr memfd_create pidfd_open pipe2 posix_fadvise posix_fallocate removexattr sched_getaffinity sched_getparam
        sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setparam sched_setscheduler setns setresgid
        setresuid setxattr splice unshare EFD_CLOEXEC EFD_NONBLOCK O_DIRECT O_LARGEFILE O_NOATIME O_PATH O_TMPFILE
        P_PIDFD RTLD_DEEPBIND""",
    fcntl: """F_ADD_SEALS F_GETLEASE F_GETPIPE_SZ F_GET_SEALS F_NOTIFY F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW F_SETLEASE
        F_SETPIPE_SZ""",
    resource: "RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_RTTIME RLIMIT_SIGPENDING RUSAGE_THREAD prlimit",
    select: "epoll",
    signal: "pidfd_send_signal sigtimedwait sigwaitinfo SIGPWR SIGPOLL SIGRTMAX SIGRTMIN SIGSTKFLT",
    socket: """AF_ALG AF_CAN AF_NETLINK AF_PACKET AF_RDS AF_TIPC AF_VSOCK IP_BIND_ADDRESS_NO_PORT IP_TRANSPARENT
        MSG_CMSG_CLOEXEC MSG_CONFIRM MSG_ERRQUEUE MSG_FASTOPEN MSG_MORE SO_BINDTODEVICE SO_DOMAIN SO_INCOMING_CPU SO_MARK
        SO_PASSCRED SO_PEERCRED SO_PRIORITY SO_PROTOCOL SOCK_CLOEXEC SOCK_NONBLOCK TCP_CONGESTION TCP_CORK
        TCP_DEFER_ACCEPT TCP_KEEPIDLE TCP_LINGER2 TCP_QUICKACK TCP_SYNCNT TCP_USER_TIMEOUT TCP_WINDOW_CLAMP""",
}
ABSENT = ("/proc", "/dev/shm", "/sys")
INFINITE, MOST_FILES = (
    (1 << 63) - 1,
    61_440,
)  # macOS tells the first as the hard limit, and refuses more than the second

for module, names in LINUX_ONLY.items():
    for name in names.split():
        vars(module).pop(name, None)
    if hasattr(module, "__all__"):
        module.__all__ = [name for name in module.__all__ if hasattr(module, name)]

sysconfig.get_config_vars()  # read from a file that macOS's Python would have under another name
sys.platform = "darwin"
# The module from which Python reads the proxies of macOS's settings.
proxies = types.ModuleType("_scproxy")
proxies._get_proxies = proxies._get_proxy_settings = dict
sys.modules["_scproxy"] = proxies


def refuse(path):
    if isinstance(path, (str, bytes, os.PathLike)):
        text = os.fsdecode(path)
        if any(text == each or text.startswith(f"{each}/") for each in ABSENT):
            raise FileNotFoundError(2, "No such file or directory", text)


def without_those(function):
    def call(path, *arguments, **options):
        refuse(path)
        return function(path, *arguments, **options)

    return call


for name in ("stat", "lstat", "statvfs", "access"):
    setattr(os, name, without_those(getattr(os, name)))
sys.addaudithook(lambda event, details: event in ("open", "os.listdir", "os.scandir") and refuse(details[0]))

find = ctypes.CDLL.__getattr__
ctypes.CDLL.__getattr__ = lambda self, name: (
    find(self, name) if name not in ("prctl", "unshare", "clone", "setns") else object.__getattribute__(self, name)
)

get_limit, set_limit = resource.getrlimit, resource.setrlimit
REAL_HARD = get_limit(resource.RLIMIT_NOFILE)[1]
set_limit(resource.RLIMIT_NOFILE, (256, REAL_HARD))


def getrlimit(kind):
    soft, hard = get_limit(kind)
    return (soft, INFINITE) if kind == resource.RLIMIT_NOFILE else (soft, hard)


def setrlimit(kind, limits):
    if kind == resource.RLIMIT_NOFILE:
        if limits[0] > MOST_FILES:
            raise ValueError("current limit exceeds maximum limit")
        limits = (limits[0], REAL_HARD)
    set_limit(kind, limits)


resource.getrlimit, resource.setrlimit = getrlimit, setrlimit

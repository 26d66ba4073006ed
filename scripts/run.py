"""`make run`: start the processes of the Procfile, print their addresses, and stop them in order.

Redis (one for pictures, one for limits and jobs) and the engine are not started if the settings name others (REDIS_URL,
STATE_REDIS_URL, a screenshot API).
"""

import fcntl
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import dotenv
from honcho.environ import parse_procfile

from access import AdminKey
from scripts.headless_shell import chromium
from scripts.supervisor import Group, supervise
from scripts.system_packages import redis_server

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
DATABASE = "data/thumbnails.db"
RUNNING = ROOT / "data" / "run.env"
TOLD = ("REDIS_URL", "STATE_REDIS_URL", "CAPTURE_URL", "PRIVATE_TARGETS")  # variables that a run adds to the settings
DEMO_PORT = ROOT / "data" / "demo-port"
# Which processes have metrics, in the order of their ports. `make run` has no outlet, whose place is kept.
MEASURED = ("WEB", "WORKER", "ENGINE", "OUTLET", "BEAT")
# The order in which processes are stopped, each group with its deadline in seconds. Web process and worker finish their
# captures first, which need the engine, Redis and perhaps the demo pages. Without work, they end within three seconds.
STOPPED: tuple[Group, ...] = (
    (0.0, ("web", "beat", "worker")),
    (3.0, ("engine",)),
    (4.5, ("redis", "state", "demo")),
)
REDIS = {"redis": "REDIS", "state": "STATE_REDIS"}  # what the variables of each server's process begin with

Env = dict[str, str]


def main() -> int:
    os.chdir(ROOT)
    settings = read_settings()
    refuse_taken_port(settings)
    commands = commands_to_run(settings)
    env = process_environment(settings, commands)
    print(f"Starting {', '.join(commands)}. The service is ready in a few seconds.", flush=True)
    fresh = is_fresh(settings)
    migrate(env)
    if fresh and "demo" in commands:
        add_demo_sites(env)
    with told_to_the_command_line(env):
        return supervise(commands, env, health_checks(env, commands), banner(env, commands), stop_groups(commands))


@contextmanager
def told_to_the_command_line(env: Mapping[str, str]) -> Iterator[None]:
    """Keep a file, while the service runs, by which `thumbnails` finds the servers that were started here."""
    lines = [f"{name}='{env[name]}'\n" for name in TOLD if env.get(name)]
    RUNNING.parent.mkdir(exist_ok=True)
    with os.fdopen(os.open(RUNNING, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.writelines(lines)
    try:
        yield
    finally:
        RUNNING.unlink(missing_ok=True)


def migrate(env: Env) -> None:
    """Bring the tables of the catalogue up to date. Nothing starts if they belong to a newer version."""
    done = subprocess.run([sys.executable, "-m", "sites.migrate", "--quiet"], env=env, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def is_fresh(settings: Mapping[str, str]) -> bool:
    """Return whether the catalogue will be made by this run, and is our own file: no other database gets demo sites."""
    return not is_set(settings, "DATABASE_URL") and not (ROOT / DATABASE).exists()


def add_demo_sites(env: Env) -> None:
    """Give a fresh catalogue some pages of the demo server, which are captured as soon as the worker runs."""
    subprocess.run([sys.executable, "-m", "scripts.demo_data", "first"], env=env, check=False)


def read_settings() -> Env:
    """Merge the environment over `.env`, as the processes do. An empty value means the default, even if `.env` has one."""
    return {name: value or "" for name, value in (dotenv.dotenv_values(".env") | os.environ).items()}


def refuse_taken_port(settings: Mapping[str, str]) -> None:
    host, port = web_address(settings)
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as err:
        sys.exit(
            f"Cannot listen on {host}:{port} ({os.strerror(err.errno or 0)}). Choose another port: make run PORT={port + 1}"
        )


def web_address(settings: Mapping[str, str]) -> tuple[str, int]:
    port = settings.get("PORT") or "8000"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        sys.exit(f"PORT is invalid ({port}): set it to a port from 1 to 65535.")
    return settings.get("WEB_HOST") or LOOPBACK, int(port)


def commands_to_run(settings: Mapping[str, str]) -> Env:
    """Return the Procfile's commands by name, except those that an external service replaces."""
    commands = parse_procfile((ROOT / "Procfile").read_text(encoding="utf-8")).processes
    absent = {name for name, variable in REDIS.items() if is_set(settings, f"{variable}_URL")}
    if "redis" in absent:
        absent.add("state")  # the one that is named holds everything, unless two are
    if uses_other_api(settings):
        absent |= {"engine", "demo"}  # a hosted API cannot reach pages on our loopback
    return {name: command for name, command in commands.items() if name not in absent}


def stop_groups(commands: Iterable[str]) -> list[Group]:
    """Return the groups in which commands are stopped. A second `worker` is called `worker2`, as a soak does."""
    known = list(commands)
    return [(latest, [name for name in known if name.rstrip("0123456789") in names]) for latest, names in STOPPED]


def uses_other_api(settings: Mapping[str, str]) -> bool:
    if is_set(settings, "CAPTURE_URL"):
        return True
    default = "snapsharp" if is_set(settings, "SNAPSHARP_API_KEY") else "engine"
    return "engine" not in (settings.get("CAPTURE_API") or default).lower().replace(",", " ").split()


def is_set(settings: Mapping[str, str], name: str) -> bool:
    return bool(settings.get(name) or settings.get(f"{name}_FILE"))


def process_environment(settings: Mapping[str, str], commands: Mapping[str, str]) -> Env:
    """Add the variables by which the processes find each other. Ports from the settings are kept."""
    env = dict(settings)
    env["DEMO_PORT"] = env.get("DEMO_PORT") or demo_port()
    env["DEMO_CLOCK"] = str(demo_clock(settings))
    ports = [port for port in free_ports(4) if port != env["DEMO_PORT"]]
    for name, port in zip(("REDIS_PORT", "STATE_REDIS_PORT", "ENGINE_PORT"), ports, strict=False):
        env[name] = env.get(name) or port
    if web_address(settings)[0] == LOOPBACK:
        env["GALLERY_PUBLIC"] = env.get("GALLERY_PUBLIC") or "true"  # only this machine's users reach it
    env |= metrics_ports(settings)
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', os.defpath)}"
    if (
        sys.platform == "darwin"
    ):  # it ends a process that forks while a thread uses its frameworks, as a look-up of a proxy does
        env["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"
    if sys.stdout.isatty() and not env.get("LOG_FORMAT"):
        env["LOG_FORMAT"] = "console"  # the processes write to a pipe and cannot see the terminal
    env["BEAT_SCHEDULE"] = env.get("BEAT_SCHEDULE") or str(ROOT / "data" / "beat-schedule")
    env["REDIS_SERVER"] = redis_server() or "redis-server"
    for name in REDIS.keys() & commands.keys():
        env |= redis_environment(name, env)
    if "engine" in commands:
        env["ENGINE_CHROMIUM"] = env.get("ENGINE_CHROMIUM") or str(chromium())
        env["CAPTURE_URL"] = f"http://{LOOPBACK}:{env['ENGINE_PORT']}"
    if "demo" in commands:
        targets = [settings.get("PRIVATE_TARGETS", ""), f"{LOOPBACK}:{env['DEMO_PORT']}"]
        env["PRIVATE_TARGETS"] = ",".join(filter(None, targets))
    if not is_set(settings, "ADMIN_KEY"):
        env["ADMIN_KEY"] = own_admin_key(ROOT / "data" / "admin-key")
    return env


def metrics_ports(settings: Mapping[str, str]) -> Env:
    """Choose a port for the metrics of each process: from METRICS_PORT (9101) on, or a free one where that is taken."""
    first = settings.get("METRICS_PORT") or "9101"
    if not first.isdecimal() or not 0 < int(first) <= 65535 - len(MEASURED):
        sys.exit(f"METRICS_PORT is invalid ({first}): set it to a port from 1 to {65535 - len(MEASURED)}.")
    host, wanted = settings.get("METRICS_HOST") or LOOPBACK, range(int(first), int(first) + len(MEASURED))
    spare = [port for port in free_ports(2 * len(MEASURED)) if int(port) not in wanted]
    ports = zip(MEASURED, wanted, spare, strict=False)
    return {f"PROMETHEUS_PORT_{name}": str(port) if is_free(host, port) else other for name, port, other in ports}


def is_free(host: str, port: int) -> bool:
    try:
        with socket.create_server((host, port)):
            return True
    except OSError:
        return False


def own_admin_key(file: Path) -> str:
    """Return the key of the admin pages that an earlier run has made, so that sessions outlive a restart, or make one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as made:
            made.write(secrets.token_urlsafe(24))
    return file.read_text(encoding="ascii").strip()


def admin_link(env: Mapping[str, str], web: str) -> str:
    """Return a link that logs in once."""
    key = env.get("ADMIN_KEY") or Path(env["ADMIN_KEY_FILE"]).read_text(encoding="utf-8").strip()
    return f"{web}/admin/log-in?token={AdminKey(key).new_link_token()}"


def redis_environment(name: str, env: Mapping[str, str]) -> Env:
    """Return the folder and the URL of one of our Redis servers, and make the folder."""
    variable = REDIS[name]
    folder = env.get(f"{variable}_FOLDER") or str(unlocked_folder(ROOT / "data", name))
    Path(folder).mkdir(parents=True, exist_ok=True)
    return {f"{variable}_FOLDER": folder, f"{variable}_URL": f"redis://{LOOPBACK}:{env[f'{variable}_PORT']}/0"}


def free_ports(count: int) -> list[str]:
    """Find ports that no process listens on. All are held until the last is found, so that they differ."""
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def demo_port() -> str:
    """Return the demo server's port. It stays the same if no other process has it: the catalogue holds its URLs."""
    port = known_demo_port()
    if port is None:
        (port,) = free_ports(1)
        DEMO_PORT.parent.mkdir(parents=True, exist_ok=True)
        DEMO_PORT.write_text(port, encoding="utf-8")
        return port
    try:
        with socket.create_server((LOOPBACK, int(port))):
            return port
    except OSError:
        return free_ports(1)[0]


def known_demo_port() -> str | None:
    """Return the port that an earlier run gave the demo server, None if there was none."""
    port = DEMO_PORT.read_text(encoding="utf-8").strip() if DEMO_PORT.exists() else ""
    return port if port.isdecimal() and 0 < int(port) < 65536 else None


def demo_clock(settings: Mapping[str, str]) -> Path:
    """Return the file by which `make demo-data` turns the demo server's clock forward."""
    return Path(settings.get("DEMO_CLOCK") or ROOT / "data" / "demo-clock")


def unlocked_folder(data: Path, name: str) -> Path:
    """Find a folder for a Redis server's file that no other run uses. Two servers on one file would corrupt it."""
    number = 1
    while is_locked(folder := data / (name if number == 1 else f"{name}-{number}")):
        number += 1
    return folder


def is_locked(folder: Path) -> bool:
    """Return whether a running Redis holds the lock that the Procfile takes for it. Closes the folder to other users."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # its files show which pages callers look at
    with (folder / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def banner(env: Mapping[str, str], commands: Mapping[str, str]) -> str:
    web = "http://{}:{}".format(*client_address(env))
    target = f"http://{LOOPBACK}:{env['DEMO_PORT']}/" if "demo" in commands else "https://example.com/"
    lines = [
        "",
        f"  web       {web}/?url={target}&w=640&format=webp",
        f"  captures  {env['CAPTURE_URL'] if 'engine' in commands else 'by the API that your settings name'}",
        f"  cache     {redis_location('redis', env, commands)}",
        f"  state     {redis_location('state', env, commands)}",
        f"  pictures  {pictures_location(env)}",
        f"  sites     {sites_location(env)}",
        f"  originals {originals_location(env)}",
        f"  demo      {target}" if "demo" in commands else "",
        f"  metrics   {metrics_locations(env, commands)}",
        f"  admin     {admin_link(env, web)}",
        f"  gallery   {web}/gallery" if env.get("GALLERY_PUBLIC") == "true" else "",
        "",
        "Ctrl-C stops everything. Take a first picture:",
        f"curl -fsS -o thumb.png '{web}/thumb?url={target}&w=640'",
    ]
    return "\n".join(lines)


def metrics_locations(env: Mapping[str, str], commands: Mapping[str, str]) -> str:
    ports = {name.lower(): env.get(f"PROMETHEUS_PORT_{name}") for name in MEASURED}
    host = env.get("METRICS_HOST") or LOOPBACK
    shown = [f"{name} http://{host}:{port}/metrics" for name, port in ports.items() if port and name in commands]
    return ", ".join(shown) or "off"


def redis_location(name: str, env: Mapping[str, str], commands: Mapping[str, str]) -> str:
    return env[f"{REDIS[name]}_URL"] if name in commands else "the Redis that your settings name"


def pictures_location(env: Mapping[str, str]) -> str:
    return "your bucket" if is_set(env, "S3_BUCKET") else env.get("PERSIST_DIR") or "data/media"


def originals_location(env: Mapping[str, str]) -> str:
    places = {"s3": "your bucket", "redis": "the cache"}
    return places.get(env.get("ORIGINALS", "")) or env.get("ORIGINALS_DIR") or "data/originals"


def sites_location(env: Mapping[str, str]) -> str:
    url = env.get("DATABASE_URL") or f"sqlite:///{DATABASE}"
    named = is_set(env, "DATABASE_URL_FILE") or not url.startswith("sqlite:///")
    return "the database that your settings name" if named else url.removeprefix("sqlite:///")


def client_address(env: Mapping[str, str]) -> tuple[str, int]:
    host, port = web_address(env)
    return (LOOPBACK if host == "0.0.0.0" else host), port  # noqa: S104 - compared, not bound


def health_checks(env: Mapping[str, str], commands: Mapping[str, str]) -> list[tuple[str, int]]:
    return [client_address(env)] + ([(LOOPBACK, int(env["ENGINE_PORT"]))] if "engine" in commands else [])


if __name__ == "__main__":
    sys.exit(main())

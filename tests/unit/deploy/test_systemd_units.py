"""The systemd units in deploy/systemd: systemd accepts them, and they agree with docker-compose.yml and the settings."""

import os
import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

import config
import engine.config

ROOT = Path(__file__).parents[3]
UNITS = ROOT / "deploy" / "systemd"
SERVICES = sorted(path.stem.removeprefix("thumbnails-") for path in UNITS.glob("thumbnails-*.service"))
OURS = [name for name in SERVICES if name not in ("redis", "state")]
ANALYZE = shutil.which("systemd-analyze")
BOUNDS = {"M": 1 << 20, "G": 1 << 30, "m": 1 << 20, "g": 1 << 30}
IN_COMPOSE = {"outlet": "egress"}


def unit(name):
    """Map each directive of a service to its lines, those of the common drop-in included."""
    found = defaultdict(list)
    for path in (UNITS / f"thumbnails-{name}.service", UNITS / "thumbnails-.service.d" / "walls.conf"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and line[0] not in "#[":
                directive, _, value = line.partition("=")
                found[directive].append(value)
    return found


def words(name, directive):
    return [word for line in unit(name)[directive] for word in shlex.split(line)]


def environ(name):
    return dict(word.split("=", 1) for word in words(name, "Environment"))


def compose(name):
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"][
        IN_COMPOSE.get(name, name)
    ]


def size(text):
    return int(text[:-1]) * BOUNDS[text[-1]]


@pytest.mark.skipif(ANALYZE is None, reason="no systemd on this machine")
def test_systemd_has_nothing_to_say_against_them(tmp_path):
    units = tmp_path / "units"
    shutil.copytree(UNITS, units)
    for path in units.glob("*.service"):  # the commands must exist
        text = path.read_text(encoding="utf-8").replace("/opt/thumbnails", str(ROOT))
        path.write_text(text.replace("/usr/bin/redis-server", shutil.which("true")), encoding="utf-8")
    command = [ANALYZE, "verify", "--man=no", *units.glob("*.service"), *units.glob("*.target")]
    done = subprocess.run(command, env={"SYSTEMD_UNIT_PATH": f"{units}:"}, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["web", "worker", "beat", "engine", "outlet", "migrate"])
def test_a_service_runs_what_it_runs_in_compose(name):
    (line,) = unit(name)["ExecStart"]
    ours = shlex.split(line)
    theirs = compose(name).get("command", ["python", "-m", "engine"])
    folder, _, program = ours[0].rpartition("/")
    assert folder == "/opt/thumbnails/.venv/bin"
    assert [program, *ours[1:]] == [
        word.replace("/tmp/beat-schedule", "/run/thumbnails-beat/schedule") for word in theirs
    ]
    assert words(name, "WorkingDirectory") == ["/opt/thumbnails"]


@pytest.mark.parametrize("name", ["redis", "state"])
def test_a_redis_keeps_what_it_keeps_in_compose(name):
    ours, theirs = unit(name)["ExecStart"][0], compose(name)["command"]
    assert theirs.removeprefix("redis-server ") in ours
    assert f"--dir /var/lib/{words(name, 'StateDirectory')[0]}" in ours
    port = re.search(r"--bind (127\.0\.0\.2) --port (\d+)", ours)
    variable = {"redis": "REDIS_URL", "state": "STATE_REDIS_URL"}[name]
    for client in ("web", "worker", "beat"):
        assert environ(client)[variable] == f"redis://{port[1]}:{port[2]}/0"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_the_room_that_it_has_in_compose(name):
    assert size(words(name, "MemoryMax")[0]) == size(compose(name)["mem_limit"])
    assert unit(name)["NoNewPrivileges"] == ["yes"]
    assert unit(name)["CapabilityBoundingSet"] == [""]
    assert unit(name)["ProtectSystem"] == ["strict"]
    assert unit(name)["User"] or unit(name)["DynamicUser"] == ["yes"]


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_and_no_port_of_metrics_is_taken_twice(name):
    of_engine = {each.upper() for each in engine.config.EngineSettings.model_fields}
    of_web = {each.upper() for each in config.Settings.model_fields}
    assert environ(name).keys() <= (of_engine if name in ("engine", "outlet") else of_web)
    if name != "migrate":
        assert environ(name)["METRICS_PORT"] == compose(name)["environment"]["METRICS_PORT"]
    if name not in ("engine", "outlet"):
        config.Settings.of(**{each.lower(): value for each, value in environ(name).items()})


def test_all_of_ours_have_the_same_addresses_and_folders():
    shared = [
        {key: value for key, value in environ(name).items() if key != "METRICS_PORT"}
        for name in ("web", "worker", "beat", "migrate")
    ]
    assert all(each == shared[0] for each in shared)
    for folder in ("PERSIST_DIR", "ORIGINALS_DIR"):
        assert shared[0][folder].startswith(f"/var/lib/{words('web', 'StateDirectory')[0]}/")


def test_beat_gets_no_secret_but_the_address_of_redis():
    fields = config.Settings.model_fields.items()
    secrets = {name.upper() for name, field in fields if not field.repr or "SecretStr" in str(field.annotation)}
    unset = set(words("beat", "UnsetEnvironment"))
    assert secrets - {"REDIS_URL", "STATE_REDIS_URL"} <= unset
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= unset


def test_the_engine_and_its_outlet_read_no_secret_of_the_others():
    for name in ("engine", "outlet"):
        assert words(name, "User") == ["thumbnails-engine"]
        assert words(name, "EnvironmentFile") == ["-/etc/thumbnails/engine.env"]
    for name in ("web", "worker", "beat", "migrate"):
        assert words(name, "User") == ["thumbnails"]
        assert words(name, "EnvironmentFile") == ["-/etc/thumbnails/thumbnails.env"]
    accounts = (UNITS / "thumbnails.sysusers.conf").read_text(encoding="utf-8")
    assert re.findall(r"^u (\S+)", accounts, re.MULTILINE) == ["thumbnails", "thumbnails-engine"]


def test_a_page_that_breaks_out_of_the_browser_reaches_the_outlet_and_no_redis():
    assert words("engine", "IPAddressDeny") == ["any"]
    assert words("engine", "IPAddressAllow") == ["127.0.0.1"]
    assert (
        environ("engine")["ENGINE_EGRESS"]
        == f"127.0.0.1:{environ('outlet')['ENGINE_PORT']}"
        == environ("web")["LISTS_EGRESS"]
    )


def test_services_may_end_their_work_as_in_compose():
    for name in ("web", "worker", "engine"):
        assert int(words(name, "TimeoutStopSec")[0]) >= int(compose(name)["stop_grace_period"].removesuffix("s"))
    for name in OURS:
        if name != "migrate":
            assert unit(name)["Restart"] == ["always"]
            assert unit(name)["RestartPreventExitStatus"] == ["78"]


def test_chromiums_sandbox_may_make_its_namespaces():
    refused = unit("engine")
    for directive in ("RestrictNamespaces", "MemoryDenyWriteExecute", "PrivateNetwork", "PrivateUsers", "ProtectProc"):
        assert directive not in refused, directive
    assert environ("engine")["ENGINE_ISOLATION"] == "namespace"


def test_the_command_line_runs_with_the_account_and_the_settings_of_the_web_process(tmp_path):
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\necho '{' '.join(unit('web')['Environment'])}'\n", encoding="utf-8")
    (tmp_path / "systemd-run").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n", encoding="utf-8")
    for stub in tmp_path.iterdir():
        stub.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [UNITS / "thumbnails", "backup", "a file.tar"]
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()
    given = dict(word.removeprefix("--property=").split("=", 1) for word in said if word.startswith("--property="))
    assert said[-3:] == ["/opt/thumbnails/.venv/bin/thumbnails", "backup", "a file.tar"]
    assert shlex.split(given.pop("Environment")) == words("web", "Environment")
    assert given == {name: words("web", name)[0] for name in ("User", "WorkingDirectory", "EnvironmentFile")}


def test_nothing_else_is_named_in_the_docs():
    page = (ROOT / "docs" / "operations" / "systemd.md").read_text(encoding="utf-8")
    enabled = re.search(r"systemctl enable --now thumbnails.target (.*)", page)[1]
    assert set(re.findall(r"thumbnails-(\w+)", enabled)) == set(SERVICES)

"""`make run` starts the processes that the settings require, and they find each other."""

import socket
import stat

import pytest

from access import AdminKey
from scripts import run

JOBS = ["worker", "beat"]
REDIS = ["redis", "state"]
ALL = [*REDIS, "engine", "web", *JOBS, "demo"]


@pytest.mark.parametrize(
    ("settings", "started"),
    [
        ({}, ALL),
        ({"REDIS_URL": "", "CAPTURE_URL": "", "SNAPSHARP_API_KEY": ""}, ALL),
        ({"REDIS_URL": "redis://cache.example/0"}, ["engine", "web", *JOBS, "demo"]),
        ({"STATE_REDIS_URL": "redis://state.example/0"}, ["redis", *ALL[2:]]),
        ({"REDIS_URL_FILE": "/run/secrets/redis"}, ["engine", "web", *JOBS, "demo"]),
        ({"SNAPSHARP_API_KEY": "sk_live_1"}, [*REDIS, "web", *JOBS]),
        ({"SNAPSHARP_API_KEY_FILE": "/run/secrets/key"}, [*REDIS, "web", *JOBS]),
        ({"SNAPSHARP_API_KEY": "sk_live_1", "CAPTURE_API": "engine"}, ALL),
        ({"CAPTURE_API": "hermesforge"}, [*REDIS, "web", *JOBS]),
        ({"CAPTURE_API": "snapsharp,engine", "SNAPSHARP_API_KEY": "sk_live_1"}, ALL),
        ({"CAPTURE_API": "snapsharp,snapapi"}, [*REDIS, "web", *JOBS]),
        ({"CAPTURE_API": "engine", "CAPTURE_URL": "http://engine.example"}, [*REDIS, "web", *JOBS]),
        ({"S3_BUCKET": "pictures"}, ALL),
    ],
)
def test_it_starts_every_process_that_no_external_service_replaces(settings, started):
    assert list(run.commands_to_run(settings)) == started


def test_what_captures_need_is_stopped_last():
    groups = [names for _, names in run.stop_groups([*ALL, "worker2", "engine2"])]
    assert groups == [["web", "worker", "beat", "worker2"], ["engine", "engine2"], [*REDIS, "demo"]]
    assert [len(names) for _, names in run.stop_groups(["web", *JOBS])] == [3, 0, 0]


def test_only_the_demo_pages_are_exempt_from_the_public_address_rule():
    env = run.process_environment({"DEMO_PORT": "8002"}, run.commands_to_run({}))
    assert env["PRIVATE_TARGETS"] == "127.0.0.1:8002"


def test_targets_that_are_already_exempt_stay_exempt():
    env = run.process_environment({"DEMO_PORT": "8002", "PRIVATE_TARGETS": "10.1.2.3"}, run.commands_to_run({}))
    assert env["PRIVATE_TARGETS"] == "10.1.2.3,127.0.0.1:8002"


def test_with_a_hosted_api_nothing_is_exempt():
    settings = {"SNAPSHARP_API_KEY": "sk_live_1"}
    assert "PRIVATE_TARGETS" not in run.process_environment(settings, run.commands_to_run(settings))


def test_each_process_has_its_own_port_and_knows_the_others():
    env = run.process_environment({}, run.commands_to_run({}))
    assert env["CAPTURE_URL"] == f"http://127.0.0.1:{env['ENGINE_PORT']}"
    assert env["REDIS_URL"] == f"redis://127.0.0.1:{env['REDIS_PORT']}/0"
    assert env["STATE_REDIS_URL"] == f"redis://127.0.0.1:{env['STATE_REDIS_PORT']}/0"
    assert env["REDIS_FOLDER"] != env["STATE_REDIS_FOLDER"]
    assert len({env["REDIS_PORT"], env["STATE_REDIS_PORT"], env["ENGINE_PORT"], env["DEMO_PORT"]}) == 4


def test_no_two_processes_get_one_port_for_their_metrics(monkeypatch):
    """A free port may be one of those that other processes have by default."""
    monkeypatch.setattr(run, "free_ports", lambda count: [str(9102 + number) for number in range(count)])
    monkeypatch.setattr(run, "is_free", lambda _host, port: port != 9101)
    assert list(run.metrics_ports({}).values()) == ["9106", "9102", "9103", "9104", "9105"]


def test_each_process_with_metrics_has_its_port_and_gets_a_free_one_where_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        env = run.metrics_ports({"METRICS_PORT": str(port - 1)})
        assert env["PROMETHEUS_PORT_WORKER"] != str(port)
    assert len({*env.values()}) == len(run.MEASURED)
    commands = (run.ROOT / "Procfile").read_text(encoding="utf-8")
    assert all(f"METRICS_PORT=${name} " in commands for name in env if not name.endswith("OUTLET"))


@pytest.mark.parametrize("port", ["abc", "0", "65535"])
def test_an_invalid_port_of_metrics_stops_it_and_names_the_variable(port):
    with pytest.raises(SystemExit, match=rf"METRICS_PORT is invalid \({port}\)"):
        run.metrics_ports({"METRICS_PORT": port})


def test_one_redis_that_is_named_holds_everything():
    settings = {"REDIS_URL": "redis://cache.example/0"}
    assert "STATE_REDIS_URL" not in run.process_environment(settings, run.commands_to_run(settings))


def test_addresses_of_external_services_are_kept():
    settings = {"REDIS_URL": "redis://cache.example/0", "CAPTURE_URL": "http://engine.example"}
    env = run.process_environment(settings, run.commands_to_run(settings))
    assert {name: env[name] for name in settings} == settings


def test_the_banner_shows_no_secret_and_ends_with_a_curl_line():
    settings = {"REDIS_URL": "redis://:hunter2@cache.example/0", "SNAPSHARP_API_KEY": "sk_live_1", "PORT": "8001"}
    settings |= {"ADMIN_KEY": "a-key-of-the-operator"}
    text = run.banner(settings, run.commands_to_run(settings))
    assert text.splitlines()[-1].startswith("curl ")
    assert "  web       http://127.0.0.1:8001/?url=https://example.com/" in text
    assert "http://127.0.0.1:8001/thumb?url=https://example.com/" in text
    assert "hunter2" not in text
    assert "sk_live_1" not in text
    assert "a-key-of-the-operator" not in text


def test_the_banner_has_a_link_that_the_key_of_the_settings_opens(tmp_path):
    (tmp_path / "key").write_text("a-key-of-the-operator\n")
    for settings in ({"ADMIN_KEY": "a-key-of-the-operator"}, {"ADMIN_KEY_FILE": str(tmp_path / "key")}):
        link = run.admin_link(settings, "http://127.0.0.1:8000")
        assert link.startswith("http://127.0.0.1:8000/admin/log-in?token=")
        assert AdminKey("a-key-of-the-operator").read_link_token(link.partition("=")[2])


def test_it_makes_a_key_of_the_admin_pages_once_for_its_user_alone(tmp_path):
    file = tmp_path / "data" / "admin-key"
    key = run.own_admin_key(file)
    assert len(key) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run.own_admin_key(file) == key


@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", "80 81"])
def test_an_invalid_port_stops_it_and_names_the_variable(port):
    with pytest.raises(SystemExit, match=rf"PORT is invalid \({port}\): set it to a port from 1 to 65535"):
        run.web_address({"PORT": port})


def test_no_other_user_of_the_machine_may_read_the_files_of_redis(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir(mode=0o755)
    assert not run.is_locked(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_demo_server_keeps_its_port_unless_another_process_has_it(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "DEMO_PORT", tmp_path / "data" / "demo-port")
    port = run.demo_port()
    assert run.demo_port() == port
    with socket.create_server(("127.0.0.1", int(port))):
        assert run.demo_port() != port
    assert run.demo_port() == port


def test_only_a_catalogue_of_our_own_that_does_not_exist_yet_gets_demo_sites(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    assert run.is_fresh({})
    assert not run.is_fresh({"DATABASE_URL": "postgresql://db.example/thumbs"})
    assert not run.is_fresh({"DATABASE_URL_FILE": "/run/secrets/database"})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thumbnails.db").touch()
    assert not run.is_fresh({})


@pytest.mark.parametrize(
    ("settings", "public"),
    [
        ({}, "true"),
        ({"GALLERY_PUBLIC": "false"}, "false"),
        ({"WEB_HOST": "0.0.0.0"}, None),
        ({"WEB_HOST": "0.0.0.0", "GALLERY_PUBLIC": "true"}, "true"),
    ],
)
def test_everybody_sees_the_gallery_only_where_nobody_else_reaches_it(settings, public):
    env = run.process_environment({"DEMO_PORT": "8002"} | settings, run.commands_to_run({}))
    assert env.get("GALLERY_PUBLIC") == public
    assert ("gallery   http://127.0.0.1:8000/gallery" in run.banner(env, run.commands_to_run({}))) == (public == "true")

"""The files that a deployment reads agree with one another and with the settings."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import pytest
import yaml

import config
import engine.config
import netguard
import options
from tests.support.engine import running_engine

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = {
    name.upper() for settings in (config.Settings, engine.config.EngineSettings) for name in settings.model_fields
}
# Read by gunicorn's configuration, and by boto3.
OTHERS = {"PORT", "WEB_HOST", "WEB_CONCURRENCY", "WEB_CONNECTIONS", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
OTHERS |= {"GRAFANA_PASSWORD", "GRAFANA_PORT", "PROMETHEUS_PORT"}  # read by compose
FLY = {"web": "fly.toml", "engine": "fly.engine.toml"}


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def dockerfile():
    """Map each stage to its instructions, those that it is built upon first."""
    stages = {}
    for line in re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", read("Dockerfile"), flags=re.MULTILINE)).splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages[name] = list(stages.get(base, ()))
        elif word:
            stages[name].append((word, rest.strip()))
    return stages


def values(stage, instruction):
    return [rest for word, rest in dockerfile()[stage] if word == instruction]


def image_environ(stage):
    return dict(pair.split("=", 1) for line in values(stage, "ENV") for pair in line.split())


def image_port(stage):
    return int(image_environ(stage)[{"web": "PORT", "engine": "ENGINE_PORT"}[stage]])


def compose():
    return yaml.safe_load(read("docker-compose.yml"))["services"]


def cloud_run():
    containers = yaml.safe_load(read("deploy/cloudrun.yaml"))["spec"]["template"]["spec"]["containers"]
    return {container["name"]: container for container in containers}


@pytest.mark.parametrize("stage", ["web", "engine"])
def test_an_image_runs_as_a_numbered_user_and_checks_its_health_on_its_port(stage):
    (check,) = values(stage, "HEALTHCHECK")
    assert values(stage, "USER") == ["10001:10001"]
    assert "/health" in check
    assert values(stage, "EXPOSE") == [str(image_port(stage))]
    assert json.loads(values(stage, "CMD")[-1])


def test_images_are_built_from_stages_that_there_are():
    targets = {service["build"]["target"] for service in compose().values() if "build" in service}
    targets |= {
        target["target"] for target in json.loads(read("deploy/bake.json"))["target"].values() if "target" in target
    }
    targets |= {tomllib.loads(read(f"deploy/{path}"))["build"]["build-target"] for path in FLY.values()}
    assert targets == {"web", "engine"}
    assert targets <= dockerfile().keys()


def test_dockerignore_excludes_all_but_the_copied_files():
    ignore = read(".dockerignore").splitlines()
    shown = {line[1:] for line in ignore if line.startswith("!")}
    copied = {
        word
        for stage in dockerfile().values()
        for instruction, rest in stage
        if instruction == "COPY" and not rest.startswith("--from=")
        for word in rest.split()[:-1]
    }
    assert "*" in ignore
    assert {path for path in copied if not any(fnmatch(path, pattern) for pattern in shown)} == set()
    assert "demo" not in copied


def test_the_web_image_holds_every_package_of_the_web_side():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {
        "bench",
        "demo",
        "engine",
        "scripts",
        "tests",
    }
    assert packages == {rest.split()[0] for rest in values("web", "COPY")} & packages


def test_the_engines_image_contains_all_that_the_engine_imports():
    ours = {path.parent.name: path.parent.name for path in ROOT.glob("*/__init__.py")}
    ours |= {path.stem: path.name for path in ROOT.glob("*.py")}
    pattern = rf"^ *(?:from|import) ({'|'.join(ours)})\b"
    text = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("engine/**/*.py"))
    copied = {word for rest in values("engine", "COPY") for word in rest.split()[:-1] if word in ours.values()}
    assert {ours[name] for name in re.findall(pattern, text, flags=re.MULTILINE)} == copied


def test_a_service_waits_until_what_it_needs_is_healthy():
    services = compose()
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_completed_successfully":
                assert services[needed]["restart"] == "no", f"{needed} never completes"
                continue
            assert how["condition"] == "service_healthy", name
            assert "build" in services[needed] or "healthcheck" in services[needed], f"{needed} checks no health"


def test_compose_names_only_what_it_declares():
    """What `docker compose config` refuses: networks, volumes and services that there are not, and a lone dollar sign."""
    whole = yaml.safe_load(read("docker-compose.yml"))
    networks = {network for service in compose().values() for network in service["networks"]}
    volumes = {
        volume for name in compose() if "volumes" in compose()[name] for volume in mounted(name) if "/" not in volume
    }
    assert networks == whole["networks"].keys()
    assert volumes == whole["volumes"].keys()
    for name, service in compose().items():
        for needed, how in service.get("depends_on", {}).items():
            theirs = compose()[needed].get("profiles", [])
            assert not theirs or how.get("required") is False or theirs == service.get("profiles"), (name, needed)
    for line in read("docker-compose.yml").splitlines():
        text = line.partition("# ")[0]
        variables = re.findall(r"(?<!\$)\$\{([A-Z0-9_]+):-", text)
        assert re.sub(r"\$\$|\$\{[A-Z0-9_]+:-", "", text).count("$") == 0, line
        assert set(variables) <= SETTINGS | OTHERS | {"TRACING"}, line


def test_every_service_has_walls_and_a_limit():
    for name, service in compose().items():
        assert service["read_only"], name
        assert service["mem_limit"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["cap_drop"] == ["ALL"], name


def test_no_service_runs_as_root():
    """Our images name their account themselves."""
    theirs = {name: service for name, service in compose().items() if not service["image"].startswith("thumbnails-")}
    assert theirs.keys() == {"nginx", "redis", "state", "postgres", "prometheus", "grafana"}
    for name, service in theirs.items():
        user, _, group = service["user"].partition(":")
        assert int(user) > 0, name
        assert int(group) > 0, name


def secrets():
    """The variables that only their service may know. Settings do not show them either."""
    fields = config.Settings.model_fields.items()
    settings = {name.upper() for name, field in fields if not field.repr or "SecretStr" in str(field.annotation)}
    return settings | {name for name in OTHERS if name.startswith("AWS_")}


def test_in_compose_beat_gets_no_secret_but_the_address_of_redis(tmp_path, monkeypatch):
    given = compose()["beat"]["environment"]
    assert len(secrets()) == 15
    assert {name: given.get(name) for name in secrets()} == dict.fromkeys(secrets(), "")
    for name in ("REDIS_URL", "STATE_REDIS_URL"):
        assert given[name] == compose()["web"]["environment"][name]

    monkeypatch.chdir(tmp_path)
    of_the_others = {"CAPTURE_API": "snapsharp", "SNAPSHARP_API_KEY": "sk_live_1", "API_KEYS": "cms:a-secret-key"}
    of_the_others |= {"FASTLY_SERVICE_ID": "service1", "CLOUDFLARE_ZONE_ID": "zone1"}
    written = {name: value for name, value in given.items() if "$" not in value}
    for name, value in (of_the_others | written).items():
        monkeypatch.setenv(name, value)
    loaded = config.load().model_dump()
    loaded.pop("database_url")  # by default a file, which beat does not open
    assert [name for name in secrets() if loaded.get(name.lower())] == [], "and beat starts without them"


def test_the_profile_postgres_is_optional_and_ready_before_its_tables_are_made():
    services = compose()
    assert services["postgres"]["profiles"] == ["postgres"]
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy", "required": False}}
    for name in ("web", "worker", "migrate"):
        assert set(services["postgres"]["networks"]) <= set(services[name]["networks"]), name
    (url,) = set(re.findall(r"postgresql://thumbnails@\S+/thumbnails", read("docs/operations/database.md")))
    assert url == f"postgresql://{services['postgres']['environment']['POSTGRES_USER']}@postgres/thumbnails"
    assert url in read("docker-compose.yml")
    assert config.Settings.of(database_url=url).database_url == url


def test_the_engine_cannot_reach_redis():
    services = compose()
    for name in ("redis", "state", "postgres"):
        assert not set(services["engine"]["networks"]) & set(services[name]["networks"])
        assert "ports" not in services[name]
    assert "ports" not in services["engine"]


def test_redis_and_postgresql_which_ask_for_no_password_are_reached_by_our_own_processes_alone():
    """In compose. Neither Prometheus nor the engine is on their network, and nobody on it publishes a port."""
    services = compose()
    assert services["postgres"]["environment"]["POSTGRES_HOST_AUTH_METHOD"] == "trust"
    stores = {"redis", "state", "postgres"}
    (network,) = {network for name in stores for network in services[name]["networks"]}
    networks = yaml.safe_load(read("docker-compose.yml"))["networks"]
    assert networks[network] == {"internal": True}
    assert neighbours(network) - stores == {"web", "worker", "beat", "migrate"}


def test_in_compose_the_browser_has_no_route_but_through_the_proxy_or_there_is_no_engine():
    service = compose()["engine"]
    assert service["environment"]["ENGINE_ISOLATION"] == "${ENGINE_ISOLATION:-namespace}"
    assert "seccomp:deploy/seccomp.json" in service["security_opt"], "or the namespace could not be made"


def neighbours(network):
    return {name for name, service in compose().items() if network in service["networks"]}


def test_the_engines_container_has_no_route_but_through_the_second_judge():
    networks = yaml.safe_load(read("docker-compose.yml"))["networks"]
    services = compose()
    internal = {name for name, settings in networks.items() if settings.get("internal")}
    assert services["engine"]["networks"]
    assert set(services["engine"]["networks"]) <= internal
    host, _, port = services["engine"]["environment"]["ENGINE_EGRESS"].rpartition(":")
    way_out = services[host]
    assert way_out["command"] == ["python", "-m", "engine.outlet"]
    assert way_out["environment"]["ENGINE_PORT"] == port
    # The engine, and for lists and pictures web process and worker, reach the outlet by networks of their own. Prometheus reads its metrics. It reaches no other container.
    shared, world = (set(way_out["networks"]) & internal, set(way_out["networks"]) - internal)
    assert sorted(sorted(neighbours(network) - {host}) for network in shared) == [
        ["engine"],
        ["prometheus", "web", "worker"],
    ]
    assert services["web"]["environment"]["LISTS_EGRESS"] == f"${{LISTS_EGRESS:-{host}:{port}}}"
    assert [neighbours(network) for network in world] == [{host}]
    # What may be reached is one rule for both, and as many captures.
    for name in ("PRIVATE_TARGETS", "ALLOWED_PORTS", "ENGINE_CONCURRENCY"):
        assert way_out["environment"][name] == services["engine"]["environment"][name]


def test_web_process_and_worker_have_a_route_to_hosted_apis_and_storage():
    networks = yaml.safe_load(read("docker-compose.yml"))["networks"]
    for name in ("web", "worker"):
        assert any(not networks[network].get("internal") for network in compose()[name]["networks"]), name


def test_the_second_judge_is_found_healthy_when_it_answers():
    service = compose()["egress"]
    command = [sys.executable, *service["healthcheck"]["test"][2:]]
    with running_engine("engine.outlet") as outlet:
        command[-1] = command[-1].replace("1080", outlet.url.rpartition(":")[2])
        assert subprocess.run(command, check=False, timeout=20).returncode == 0
    assert subprocess.run(command, check=False, timeout=20, capture_output=True).returncode != 0


NFT = shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


@pytest.mark.parametrize(
    ("family", "table"), [("refused4", netguard.addresses._IPV4), ("refused6", netguard.addresses._IPV6)]
)
def test_the_firewall_refuses_all_addresses_that_the_guard_refuses(family, table):
    elements = re.search(rf"set {family} {{.*?elements = {{(.*?)}}", read("deploy/egress.nft"), flags=re.DOTALL)[1]
    assert [ip_network(entry.strip()) for entry in elements.split(",")] == [network for network, _ in table]


def test_the_firewall_lets_only_allocated_ipv6_addresses_pass():
    elements = re.search(r"set allocated6 {.*?elements = {(.*?)}", read("deploy/egress.nft"), flags=re.DOTALL)[1]
    blocks = tuple(ip_network(entry.strip()) for entry in elements.split(","))
    assert blocks == netguard.addresses._IPV6_ALLOCATED
    assert "ip6 daddr != @allocated6 counter reject" in read("deploy/egress.nft")


@pytest.mark.skipif(NFT is None, reason="no nft on this machine")
def test_the_firewall_can_be_loaded_and_once_more():
    load = (
        f"{NFT} --file deploy/egress.nft && {NFT} --file deploy/egress.nft && {NFT} list chain inet thumbnails output"
    )
    done = subprocess.run(
        ["unshare", "--map-root-user", "--net", "sh", "-c", load], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert "policy drop" in done.stdout


PROCFILE = dict(line.split(": ", 1) for line in read("Procfile").splitlines())


@pytest.mark.parametrize("name", ["redis", "state"])
def test_redis_is_full_before_its_container_is(name):
    assert "--maxmemory 256mb" in compose()[name]["command"]
    assert compose()[name]["mem_limit"] == "640m"


@pytest.mark.parametrize("commands", [{name: compose()[name]["command"] for name in ("redis", "state")}, PROCFILE])
def test_redis_evicts_pictures_and_nothing_else_and_keeps_its_queues_over_a_restart(commands):
    assert "--maxmemory-policy allkeys-lru" in commands["redis"]
    assert "--maxmemory-policy noeviction" in commands["state"]
    for name in ("redis", "state"):
        assert "--appendonly yes --appendfsync everysec" in commands[name]


def test_the_two_redis_servers_share_no_files():
    assert compose()["redis"]["volumes"] != compose()["state"]["volumes"]
    assert "$REDIS_FOLDER" in PROCFILE["redis"]
    assert "$STATE_REDIS_FOLDER" in PROCFILE["state"]


def test_in_compose_one_named_redis_holds_everything_unless_two_are_named():
    environment = compose()["web"]["environment"]
    assert environment["REDIS_URL"] == "${REDIS_URL:-redis://redis:6379/0}"
    assert environment["STATE_REDIS_URL"] == "${STATE_REDIS_URL:-${REDIS_URL:-redis://state:6379/0}}"


def test_the_worker_may_end_its_job_before_it_is_stopped():
    limit = config.Settings.model_fields["job_time_limit"].default
    assert int(compose()["worker"]["stop_grace_period"].removesuffix("s")) > limit


def test_ports_are_those_of_the_images():
    for stage, path in FLY.items():
        assert tomllib.loads(read(f"deploy/{path}"))["http_service"]["internal_port"] == image_port(stage)
    for stage, container in cloud_run().items():
        assert container["startupProbe"]["httpGet"] == {"path": "/health", "port": image_port(stage)}
    assert cloud_run()["web"]["ports"] == [{"containerPort": image_port("web")}]


def test_on_platforms_too_a_browser_has_its_sandbox_or_there_is_no_engine():
    fly = tomllib.loads(read("deploy/fly.engine.toml"))
    assert fly["env"]["ENGINE_ISOLATION"] == "namespace"
    container = cloud_run()["engine"]
    assert {"name": "ENGINE_ISOLATION", "value": "namespace"} in container["env"]
    assert container["volumeMounts"] == [{"name": "shm", "mountPath": "/dev/shm"}]
    assert {"ports"} & container.keys() == set(), "only its own web process reaches it"


def test_on_fly_processes_are_asked_to_end_their_work_and_have_the_time():
    """Fly sends SIGINT by default, at which gunicorn drops what it does."""
    web, fly_engine = (tomllib.loads(read(f"deploy/{FLY[name]}")) for name in ("web", "engine"))
    assert {web["kill_signal"], fly_engine["kill_signal"]} == {"SIGTERM"}
    assert int(web["kill_timeout"].removesuffix("s")) >= config.Settings.of().job_time_limit + 10
    assert web["processes"].keys() == {name for vm in web["vm"] for name in vm["processes"]}


def test_on_platforms_every_process_has_metrics_that_are_scraped():
    ports = {name: compose()[name]["environment"]["METRICS_PORT"] for name in FLY}
    for name, path in FLY.items():
        fly = tomllib.loads(read(f"deploy/{path}"))
        (scraped,) = fly["metrics"]
        assert (
            (str(scraped["port"]), scraped["path"])
            == (fly["env"]["METRICS_PORT"], "/metrics")
            == (ports[name], "/metrics")
        )
        assert fly["env"]["METRICS_HOST"] == "0.0.0.0", "Fly asks from outside the machine"
        assert scraped.get("processes", []) == [*fly.get("processes", [])], "all of them"
        assert scraped["port"] != fly["http_service"]["internal_port"]
        container = {each["name"]: each.get("value") for each in cloud_run()[name]["env"]}
        assert container["METRICS_PORT"] == ports[name]
        assert "METRICS_HOST" not in container, "a sidecar asks on loopback"


def test_on_fly_each_process_runs_what_it_runs_in_compose():
    commands = tomllib.loads(read("deploy/fly.toml"))["processes"]
    assert {name: command.split() for name, command in commands.items()} == {
        name: compose()[name]["command"] for name in ("web", "worker", "beat")
    }


def test_only_nginx_publishes_a_port():
    services = compose()
    config = read("deploy/nginx.conf")
    assert [name for name, service in services.items() if "ports" in service and "profiles" not in service] == ["nginx"]
    assert services["nginx"]["ports"][0].endswith(":8080")
    assert "listen 8080;" in config
    assert f"set $web web:{image_port('web')};" in config
    assert services["web"]["environment"]["TRUSTED_PROXIES"] == "${TRUSTED_PROXIES:-1}"
    assert "./deploy/nginx.conf:/etc/nginx/nginx.conf:ro" in services["nginx"]["volumes"]


def mounted(name):
    """Map the volumes of a service to the folders at which they are mounted."""
    pairs = [
        mount.split(":")[:2] if isinstance(mount, str) else (mount["source"], mount["target"])
        for mount in compose()[name]["volumes"]
    ]
    return dict(pairs)


def test_nginx_writes_only_where_its_container_lets_it():
    places = [mount.partition(":")[0] for mount in compose()["nginx"]["tmpfs"]] + [mounted("nginx")["edge"]]
    config = re.sub(r"#.*", "", read("deploy/nginx.conf"))
    written = set(re.findall(r"(?:_path|pid|unix:)\s*(/[^\s;]+)", config))
    assert {path for path in written if not path.startswith(tuple(places))} == set()
    assert "max_size=" in config, "or the volume would grow for ever"


def test_a_purge_reaches_the_cache_of_nginx():
    """nginx makes its files for its own user alone."""
    (cache,) = re.findall(r"proxy_cache_path (\S+)", read("deploy/nginx.conf"))
    assert [compose()["nginx"]["user"]] == values("web", "USER")
    assert mounted("nginx")["edge"] == cache
    for name in ("web", "worker"):
        assert mounted(name)["edge"] == cache
        assert compose()[name]["environment"]["NGINX_CACHE_DIR"] == cache
    # An empty volume takes over the owner of the folder in the image of the container that is made last.
    assert any(cache in command and "-o app" in command for command in values("web", "RUN"))
    (mount,) = [mount for mount in compose()["nginx"]["volumes"] if mount != str(mount)]
    assert mount["volume"] == {"nocopy": True}


def test_nginx_waits_longer_than_a_caller_may():
    config = read("deploy/nginx.conf")
    assert {int(found) for found in re.findall(r"proxy_read_timeout (\d+)s", config)} == {130}
    assert options.LONGEST_WAIT < 130


@pytest.mark.parametrize(
    ("settings", "capture_url"),
    [
        ({}, "http://engine:8001"),
        ({"CAPTURE_API": "engine"}, "http://engine:8001"),
        ({"SNAPSHARP_API_KEY": "sk_live_1"}, ""),
        ({"CAPTURE_API": "hermesforge"}, ""),
        ({"CAPTURE_API": "engine,snapsharp", "SNAPSHARP_API_KEY": "sk_live_1"}, "http://engine:8001"),
        (
            {"CAPTURE_API": "engine,snapsharp", "CAPTURE_URL": "http://a.example", "SNAPSHARP_API_KEY": "sk_live_1"},
            "http://a.example",
        ),
        ({"CAPTURE_URL": "http://engines.example"}, "http://engines.example"),
    ],
)
def test_in_compose_captures_come_from_our_engine_unless_another_is_named(settings, capture_url):
    """By the environment alone, so that it holds for commands too: `docker compose exec web thumbnails doctor`."""
    service = compose()["web"]
    assert "entrypoint" not in service
    default = re.fullmatch(r"\$\{ENGINE_URL:-(.*)\}", service["environment"]["ENGINE_URL"])[1]
    given = {name.lower(): value for name, value in settings.items()} | {"engine_url": default}
    assert (config.Settings.of(**given).apis[0].urls or ("",))[0] == capture_url
    assert image_port("engine") == 8001


def test_every_variable_is_a_setting():
    named = {name for stage in dockerfile() for name in image_environ(stage) if not name.startswith(("PYTHON", "PIP_"))}
    ours = [service for service in compose().values() if service["image"].startswith("thumbnails-")]
    named |= {name for service in ours for name in service.get("environment", {})}
    named |= {name for path in FLY.values() for name in tomllib.loads(read(f"deploy/{path}"))["env"]}
    named |= {variable["name"] for container in cloud_run().values() for variable in container["env"]}
    assert named - SETTINGS - OTHERS == {"ENGINE_FIXED"}, "which tells the web process of the others"


def test_the_example_names_every_setting_and_sets_none():
    lines = read(".env.example").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
    assert {match[1] for line in lines if (match := re.match(r"#([A-Z0-9_]+)=", line))} == SETTINGS | OTHERS


CORES_AS_IN_THE_EXAMPLE = {"engine_concurrency": 2}  # from which the engine computes other defaults


def defaults():
    """Map each variable to its default and to a function that reads a text as its value."""
    web = config.Settings.of()
    engine_settings = partial(engine.config.EngineSettings, _env_prefix="no variable starts like this: ")
    known = {name.upper(): (getattr(web, name), name, config.Settings.of) for name in config.Settings.model_fields}
    for name in engine.config.EngineSettings.model_fields:
        default = getattr(engine_settings(**CORES_AS_IN_THE_EXAMPLE), name)
        known.setdefault(name.upper(), (default, name, engine_settings))
    return known


def test_the_values_in_the_example_are_the_defaults():
    lines = [line for line in read(".env.example").splitlines() if re.match(r"#[A-Z0-9_]+=.", line)]
    known = defaults()
    for line in lines:
        variable, value = line.removeprefix("#").split("=", 1)
        default, name, settings = known[variable]
        assert variable == "LOG_FORMAT" or getattr(settings(**{name: value}), name) == default, line
    assert len(lines) > 40


def test_the_table_of_settings_has_the_defaults_of_the_code():
    """In every row of numbers and quoted values: words such as `the bucket's own URL` are for people."""
    known, compared = defaults(), 0
    value = r"(\d+|true|false|`[^`]+`)"
    rows = re.findall(rf"^\| (`[A-Z].*?) \| ({value}(?:, {value})*) \|", read("docs/configuration.md"), re.MULTILINE)
    for names, stated, *_ in rows:
        for variable, text in zip(re.findall(r"`(\w+)`", names), re.findall(value, stated), strict=True):
            default, name, settings = known[variable]
            assert getattr(settings(**{name: text.strip("`")}), name) == default, variable
            compared += 1
    assert compared > 30


def test_only_user_namespaces_are_freed_by_the_seccomp_profile():
    refused = {name for rule in json.loads(read("deploy/seccomp.json"))["syscalls"] for name in rule["names"]}
    assert {
        "mount",
        "ptrace",
        "bpf",
        "keyctl",
        "setns",
        "io_uring_setup",
        "init_module",
        "kexec_load",
        "open_tree_attr",
    } <= refused
    assert not {"clone", "clone3", "unshare", "chroot"} & refused, "Chromium's sandbox is made of these"


LOCKS = ["requirements", *(f"requirements-{name}" for name in ("setup", "tracing", "dev", "bench", "browser", "parts"))]


@pytest.mark.parametrize("lock", [f"{name}.txt" for name in LOCKS])
def test_a_lock_pins_and_hashes_everything_and_names_no_index(lock):
    entries = re.findall(r"^(?!#)(\S[^\n]*(?:\n    [^\n]*)*)", read(lock), flags=re.MULTILINE)
    assert entries
    assert [
        entry for entry in entries if not re.match(r"[a-z0-9.-]+==\S+", entry) or "--hash=sha256:" not in entry
    ] == []
    assert "://" not in read(lock)


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_files_contain_all_requirements(name):
    asked = re.findall(r"^([a-zA-Z0-9][a-zA-Z0-9-]*)", read(f"{name}.in"), flags=re.MULTILINE)
    locked = {entry.lower() for entry in re.findall(r"^([a-z0-9.-]+)==", read(f"{name}.txt"), flags=re.MULTILINE)}
    assert {entry.lower() for entry in asked} <= locked


# In compose, these belong to how the containers find each other.
FIXED_IN_COMPOSE = {"ENGINE_HOST", "ENGINE_PORT", "ENGINE_EGRESS"}
# No client of SnapSharp reaches the engine there. A folder that is mounted for the service alone would keep it from starting.
SERVICE_ALONE = {"TEMPLATES_DIR"}
METRICS = {"METRICS_PORT", "METRICS_HOST"}  # each container has a port of its own


def engine_variables():
    return {name.upper() for name in engine.config.EngineSettings.model_fields}


def test_in_compose_every_setting_of_the_engine_reaches_it():
    passed = compose()["engine"]["environment"]
    wanted = engine_variables() - FIXED_IN_COMPOSE - SERVICE_ALONE - METRICS
    assert passed.keys() >= METRICS
    assert wanted - passed.keys() == set()
    assert [name for name in wanted if not re.fullmatch(rf"\$\{{{name}:-[^}}]*\}}", passed[name])] == []


def test_in_compose_the_engine_gets_no_secret_of_the_other_services():
    assert "env_file" not in compose()["engine"]
    assert "env_file" not in compose()["egress"]
    assert {name for name in compose()["engine"]["environment"] if "KEY" in name or "SECRET" in name} == {
        "ENGINE_API_KEY"
    }


def test_the_web_process_knows_the_names_of_the_engines_settings():
    assert {name for name in engine_variables() if name.startswith("ENGINE_")} == config.ENGINE_VARIABLES


def test_compose_says_which_settings_of_the_engine_it_fixes():
    """Of these, the web process warns."""
    assert set(compose()["web"]["environment"]["ENGINE_FIXED"].split()) == FIXED_IN_COMPOSE

"""Settings are read in one place, and an invalid one is refused by its name."""

import os

import pytest

import config


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Return a function that loads the settings from only the given variables."""

    def load(**variables):
        for name in list(os.environ):
            if name.upper() in {field.upper() for field in config.Settings.model_fields}:
                monkeypatch.delenv(name)
        monkeypatch.chdir(tmp_path)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return config.load()

    return load


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CAPTURE_TIMEOUT", "soon"),
        ("CAPTURE_TIMEOUT", "0"),
        ("CAPTURE_API", "magic"),
        ("CAPTURE_API", "engine,magic"),
        ("CAPTURE_API", "engine,engine"),
        ("CAPTURE_URL", "ftp://example.com"),
        ("CAPTURE_URL", "http://one.example,ftp://two.example"),
        ("CAPTURE_COST", "free"),
        ("CAPTURE_COST", "engine:-1"),
        ("CAPTURE_COST", "engine:cheap"),
        ("CAPTURE_COST", "engine:0.1,engine:0.2"),
        ("CAPTURE_COST", "magic:1"),
        ("CAPTURE_COST_LIMIT", "much"),
        ("TARGET_LIMIT", "few"),
        ("TARGET_LIMIT", "0 at a time"),
        ("TARGET_LIMIT", "2 at a time; 3 at a time"),
        ("TARGET_LIMIT", "0 per minute"),
        ("TARGET_LIMIT", "4 at a time; often"),
        ("BULK_LIMIT", "many"),
        ("BULK_LIMIT", "magic:30 per minute"),
        ("BULK_LIMIT", "engine:many"),
        ("REDIS_URL", "http://localhost"),
        ("REDIS_URL", "redis://localhost:abc/0"),
        ("REDIS_URL", "redis://10.0.0.1:6379,10.0.0.2:6379/0"),
        ("REDIS_URL", "redis+cluster://localhost:7000"),
        ("STATE_REDIS_URL", "rediss+cluster://localhost:7000/0"),
        ("REDIS_URL", "redis+sentinel://"),
        ("REDIS_URL", "redis+sentinel://localhost:26379"),
        ("REDIS_URL", "redis+sentinel://localhost:26379/"),
        ("REDIS_URL", "redis+sentinel://localhost:26379//0"),
        ("REDIS_URL", "redis+sentinel://localhost:26379/thumbs/zero"),
        ("REDIS_URL", "redis+sentinel://localhost:26379/thumbs/0/1"),
        ("REDIS_URL", "redis+sentinel://localhost:abc/thumbs/0"),
        ("REDIS_URL", "redis+sentinel://localhost:0/thumbs/0"),
        ("REDIS_URL", "redis+sentinel://one,,two/thumbs/0"),
        ("REDIS_URL", "redis+sentinel://one/thumbs/0?sentinel_pasword=x"),
        ("REDIS_URL", "redis+sentinel://one/thumbs/0?ssl_ca_certs=/ca.pem"),
        ("STATE_REDIS_URL", "sentinel://one:26379/thumbs/0"),
        ("DATABASE_URL", "mysql://localhost/sites"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///data/thumbnails.db?mode=ro"),
        ("DATABASE_URL", "postgresql://localhost"),
        ("DATABASE_URL", "postgresql://localhost:abc/sites"),
        ("DATABASE_URL", "postgresql://localhost:70000/sites"),
        ("DATABASE_URL", "localhost/sites"),
        ("THUMB_LIMIT", "many"),
        ("ALLOWED_PORTS", "80,http"),
        ("ALLOWED_TARGETS", "https://example.com/"),
        ("ALLOWED_TARGETS", "*example.com"),
        ("ALLOWED_SIZES", "5000"),
        ("ALLOWED_SIZES", "15"),
        ("ALLOWED_SIZES", "320x"),
        ("ALLOWED_SIZES", "320.5"),
        ("ALLOWED_SIZES", "x"),
        ("ALLOWED_SIZES", "320x180x90"),
        ("API_KEYS", "nameonly"),
        ("API_KEYS", "cms:short"),
        ("API_KEYS", "cms:long-enough:often"),
        ("SIGNING_KEYS", "short"),
        ("WEBHOOK_SECRET", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"),
        ("WEBHOOK_SECRET", "whsec_c2hvcnQ="),
        ("WEBHOOK_SECRET", "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0!"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://*"),
        ("CORS_ORIGINS", "https://cms.example.com/path"),
        ("PRIVATE_TARGETS", "10.0.0.0/99"),
        ("PUBLIC_URL", "http://"),
        ("S3_BUCKET", "Bad Bucket!"),
        ("WEB_CONCURRENCY", "0"),
        ("PORT", "abc"),
        ("ORIGINALS", "disk"),
        ("ORIGINALS", "s3"),  # without a bucket
        ("ORIGINALS_MAX_BYTES", "2 GiB"),
        ("LOG_FORMAT", "xml"),
        ("RESOLVE_TARGETS", "perhaps"),
    ],
)
def test_an_invalid_value_is_refused_by_its_name(load, name, value):
    with pytest.raises(config.ConfigError) as refused:
        load(**{name: value})
    assert str(refused.value).startswith(f"{name} is invalid: set it to ")


@pytest.mark.parametrize("api", ["snapsharp", "snapapi"])
def test_an_api_that_requires_a_key_is_refused_without_one(load, api):
    with pytest.raises(config.ConfigError, match="CAPTURE_API_KEY is invalid"):
        load(CAPTURE_API=api)


def test_several_apis_each_have_their_own_address_key_price_and_limit(load):
    settings = load(
        CAPTURE_API="engine, snapsharp,snapapi",
        CAPTURE_URL="http://one.example, http://two.example/",
        CAPTURE_API_KEY="sesame",
        SNAPSHARP_API_KEY="sk_live_x",
        SNAPAPI_API_KEY="k",
        SNAPAPI_URL="http://snapapi.example",
        CAPTURE_COST="snapsharp:0.004",
        BULK_LIMIT="engine:240/minute, snapsharp:30 per minute; 500 per hour",
    )
    assert [(each.name, each.urls, each.key, float(each.price), each.bulk_limit) for each in settings.apis] == [
        ("engine", ("http://one.example", "http://two.example"), "sesame", 0, "240/minute"),
        ("snapsharp", (), "sk_live_x", 0.004, "30 per minute; 500 per hour"),
        ("snapapi", ("http://snapapi.example",), "k", 0, "120 per minute"),
    ]


def test_the_engine_has_an_address_of_its_own_that_an_explicit_one_replaces(load):
    assert load(ENGINE_URL="http://engine.example").apis[0].urls == ("http://engine.example",)
    both = load(ENGINE_URL="http://engine.example", CAPTURE_URL="http://one.example,http://two.example")
    assert both.apis[0].urls == ("http://one.example", "http://two.example")
    beside = load(
        ENGINE_URL="http://engine.example",
        CAPTURE_API="snapsharp,engine",
        SNAPSHARP_API_KEY="k",
        SNAPSHARP_URL="http://snapsharp.example",
    )
    assert [each.urls for each in beside.apis] == [("http://snapsharp.example",), ("http://engine.example",)]
    alone = load(ENGINE_URL="http://engine.example", SNAPSHARP_API_KEY="k")
    assert [(each.name, each.urls) for each in alone.apis] == [("snapsharp", ())]


@pytest.mark.parametrize(
    ("written", "at_once", "rates"),
    [
        ("4 at a time; 60 per minute", 4, "60 per minute"),
        ("60/minute, 4 AT a time,500 per hour", 4, "60/minute; 500 per hour"),
        ("1 at a time", 1, ""),
        ("30 per minute", 0, "30 per minute"),
        ("", 0, ""),
    ],
)
def test_the_limit_of_a_target_is_a_number_at_a_time_and_rates(load, written, at_once, rates):
    limit = load(TARGET_LIMIT=written).target_limit
    assert (limit.at_once, limit.rates) == (at_once, rates)


def test_one_limit_of_bulk_work_holds_for_each_api(load):
    settings = load(CAPTURE_API="engine,hermesforge", BULK_LIMIT="5 per minute")
    assert [each.bulk_limit for each in settings.apis] == ["5 per minute"] * 2


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"CAPTURE_API": "engine,snapsharp"}, "SNAPSHARP_API_KEY is invalid: set it to a SnapSharp key"),
        (
            {"CAPTURE_API": "engine,snapsharp", "CAPTURE_API_KEY": "the-engines"},
            "SNAPSHARP_API_KEY is invalid: set it to a SnapSharp key",
        ),
        (
            {"CAPTURE_API": "snapsharp,snapapi", "CAPTURE_API_KEY": "whose"},
            "CAPTURE_API_KEY is invalid: it is the engine's, which CAPTURE_API lacks; set SNAPSHARP_API_KEY instead",
        ),
        (
            {"CAPTURE_API": "snapapi,hermesforge", "CAPTURE_URL": "http://whose.example", "SNAPAPI_API_KEY": "k"},
            "CAPTURE_URL is invalid: it is the engine's, which CAPTURE_API lacks; set SNAPAPI_URL instead",
        ),
        (
            {"CAPTURE_API": "hermesforge", "CAPTURE_URL": "http://one.example,http://two.example"},
            "CAPTURE_URL is invalid: several addresses are for engines; hermesforge has one",
        ),
        (
            {"SNAPSHARP_API_KEY": "k", "CAPTURE_URL": "http://a.example", "SNAPSHARP_URL": "http://b.example"},
            "CAPTURE_URL is invalid: SNAPSHARP_URL is another address; set one of the two",
        ),
        (
            {"CAPTURE_COST": "engine:0,snapsharp:1"},
            "CAPTURE_COST is invalid: CAPTURE_API does not name snapsharp; leave it out, or add it there",
        ),
        (
            {"BULK_LIMIT": "snapapi:1 per minute"},
            "BULK_LIMIT is invalid: CAPTURE_API does not name snapapi; leave it out, or add it there",
        ),
        (
            {"CAPTURE_COST_LIMIT": "5", "CAPTURE_COST": "engine:0"},
            "CAPTURE_COST_LIMIT is invalid: no capture costs anything; set CAPTURE_COST too",
        ),
    ],
)
def test_an_odd_mixture_of_apis_is_refused_by_name(load, variables, reason):
    with pytest.raises(config.ConfigError) as refused:
        load(**variables)
    assert str(refused.value) == reason


def test_a_key_of_an_api_that_takes_no_captures_is_reported(load):
    settings = load(CAPTURE_API="engine", SNAPSHARP_API_KEY="sk_live_x")
    assert config.without_effect(settings) == ["SNAPSHARP_API_KEY has no effect: captures come from engine"]


@pytest.mark.parametrize("name", ["REDIS_URL", "STATE_REDIS_URL"])
def test_a_cluster_is_refused_by_name_and_the_error_shows_the_form_for_sentinels(load, name):
    with pytest.raises(config.ConfigError) as refused:
        load(**{name: "redis+cluster://:hunter2@localhost:7000"})
    assert "redis+sentinel://user:password@host:26379,host:26379/service/0" in str(refused.value)
    assert str(refused.value).endswith("Redis Cluster is not supported")
    assert "hunter2" not in str(refused.value)


def test_an_error_shows_no_secret(load):
    with pytest.raises(config.ConfigError) as refused:
        load(SIGNING_KEYS="hunter2", API_KEYS="cms:hunter2", WEBHOOK_SECRET="whsec_hunter2")
    assert "hunter2" not in str(refused.value)


def test_the_service_starts_with_no_setting_at_all(load):
    settings = load()
    assert (settings.capture_api, settings.resolve_targets, settings.allowed_ports) == (("engine",), True, (80, 443))


def test_an_empty_value_leaves_the_default(load):
    assert load(CAPTURE_TIMEOUT="", S3_BUCKET="").s3_bucket is None


def test_a_snapsharp_key_selects_snapsharp(load):
    settings = load(SNAPSHARP_API_KEY="sk_live_x")
    assert [(each.name, each.key) for each in settings.apis] == [("snapsharp", "sk_live_x")]


def test_a_secret_may_come_from_a_file(load, tmp_path):
    (tmp_path / "key").write_text("sk_live_from_file\n")
    settings = load(SNAPSHARP_API_KEY_FILE=str(tmp_path / "key"))
    assert [each.key for each in settings.apis] == ["sk_live_from_file"]


def test_a_secret_of_a_file_reaches_no_later_test():
    assert os.environ.get("SNAPSHARP_API_KEY") != "sk_live_from_file"


def test_a_secret_file_that_cannot_be_read_is_named(load, tmp_path):
    with pytest.raises(config.ConfigError, match="SNAPSHARP_API_KEY_FILE is invalid"):
        load(SNAPSHARP_API_KEY_FILE=str(tmp_path / "none"))


def test_the_environment_overrides_the_dotenv_file(load, tmp_path):
    (tmp_path / ".env").write_text("CACHE_TTL=100\nSTALE_TTL=200\n")
    settings = load(CACHE_TTL="300")
    assert (settings.cache_ttl, settings.stale_ttl) == (300, 200)


def test_settings_of_arguments_read_neither_the_environment_nor_its_file(load, tmp_path):
    read = load(CAPTURE_TIMEOUT="7", PERSIST_DIR="from-the-environment")
    (tmp_path / ".env").write_text("CAPTURE_TIMEOUT=7\nPERSIST_DIR=from-the-file\n")
    made = config.Settings.of(redis_prefix="given")
    assert (made.redis_prefix, str(made.persist_dir)) == ("given", "data/media")
    assert made.capture_timeout != read.capture_timeout == 7


def test_targets_are_compared_in_lower_case(load):
    assert load(ALLOWED_TARGETS="Example.COM, *.Example.org").allowed_targets == ("example.com", "*.example.org")


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("SIGNING_KEY", "SIGNING_KEYS"), ("API_KEY", "API_KEYS"), ("REDIS_ULR", "REDIS_URL"), ("CACH_TTL", "CACHE_TTL"),
     ("CAPTURE_TIMOUT", "CAPTURE_TIMEOUT"), ("WEB_CONCURENCY", "WEB_CONCURRENCY")],
)  # fmt: skip
def test_a_variable_that_resembles_a_setting_is_reported(monkeypatch, typo, meant):
    monkeypatch.setenv(typo, "x")
    assert f"{typo} is not a setting of this service; did you mean {meant}?" in config.unknown_variables()


def test_variables_of_other_programs_are_ignored(monkeypatch):
    for name in ("PATH", "HOME", "LANG", "AWS_REGION", "ENGINE_PORT", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "x")
    assert not [line for line in config.unknown_variables() if line.split()[0] in ("PATH", "HOME", "ENGINE_PORT")]


def test_opentelemetrys_other_variables_are_no_typos_of_those_that_are_settings(monkeypatch):
    its = "RESOURCE_ATTRIBUTES BSP_MAX_QUEUE_SIZE EXPORTER_OTLP_TRACES_ENDPOINT EXPORTER_OTLP_METRICS_HEADERS TRACES_EXPORTER"
    for name in its.split():
        monkeypatch.setenv(f"OTEL_{name}", "x")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPONT", "x")
    (line,) = [line for line in config.unknown_variables() if line.startswith("OTEL_")]
    assert line.endswith("did you mean OTEL_EXPORTER_OTLP_ENDPOINT?")


@pytest.mark.parametrize(
    ("given", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_traces_are_on_where_a_receiver_is_named(load, given, on):
    assert load(**given).sends_traces is on


def test_a_receiver_of_traces_that_is_no_url_stops_the_start(load):
    with pytest.raises(config.ConfigError, match="OTEL_EXPORTER_OTLP_ENDPOINT is invalid: set it to the http:// or"):
        load(OTEL_EXPORTER_OTLP_ENDPOINT="collector:4318")


@pytest.mark.parametrize("folder", ["file", "file/originals"])
def test_a_folder_of_originals_that_cannot_be_written_is_refused_with_the_reason(load, tmp_path, folder):
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(config.ConfigError, match=r"^ORIGINALS_DIR is invalid \(.*\): set it to a folder in which"):
        load(ORIGINALS_DIR=folder)


def test_the_folder_of_originals_is_made_for_this_user_alone(load, tmp_path):
    load(ORIGINALS_DIR="below/originals")

    assert (tmp_path / "below" / "originals").stat().st_mode & 0o777 == 0o700


def test_no_folder_is_made_for_originals_in_redis(load, tmp_path):
    load(ORIGINALS="redis")

    assert list(tmp_path.iterdir()) == []


def test_a_mistyped_setting_of_the_engine_is_reported(load):
    load(ENGINE_CONCURENCY="4", ENGINE_QUEUE="3", ENGINE_API_KEY_FILE="/run/secrets/key")
    reported = [line for line in config.unknown_variables() if "ENGINE_" in line]
    assert reported == ["ENGINE_CONCURENCY is not a setting of the engine; did you mean ENGINE_CONCURRENCY?"]


def test_settings_of_an_engine_that_takes_no_captures_are_reported(load):
    settings = load(ENGINE_QUEUE="3", ENGINE_DEADLINE="", SNAPSHARP_API_KEY="sk_live_x")
    assert config.without_effect(settings) == ["ENGINE_QUEUE has no effect: captures come from snapsharp"]


def test_settings_that_the_deployment_fixes_are_reported(load):
    settings = load(ENGINE_PORT="9000", ENGINE_QUEUE="3", ENGINE_FIXED="ENGINE_HOST ENGINE_PORT")
    assert config.without_effect(settings) == ["ENGINE_PORT has no effect: this deployment sets it itself"]


def test_settings_of_our_engine_are_not_reported(load):
    settings = load(ENGINE_QUEUE="3", ENGINE_PORT="9000")
    assert config.without_effect(settings) == []

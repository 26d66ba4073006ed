from tests.support.guards import MEASURED  # before anything imports a guard

# isort: split
import functools
import gc
import os
import re
import shutil
import socket
import sys
import tempfile
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path

import botocore.loaders
import botocore.session
import hypothesis
import pytest
import redis as redis_library
from flask.templating import Environment
from werkzeug.routing import Rule

import services
import sites.migrate
from app import create_app
from config import Settings
from telemetry import start_recording
from tests.support.postgres import running_postgres
from tests.support.preloaded import fork_server
from tests.support.redis import running_redis
from tests.support.screenshot_api import running_screenshot_api
from tests.support.visitors import Crowd

PUBLIC = "93.184.216.34"
TESTS = Path(__file__).parent

# Every run tries the same inputs, so the suite is repeatable. `make security-report` sets `--hypothesis-profile=thorough`
# to try more inputs.
REPEATABLE = hypothesis.settings(derandomize=True, database=None, deadline=None)
hypothesis.settings.register_profile("repeatable", REPEATABLE, max_examples=50)
hypothesis.settings.register_profile("thorough", REPEATABLE, max_examples=1000)
hypothesis.settings.load_profile("repeatable")

# jsonschema imports it where it is found, and it then compiles a grammar for two seconds in each process of a run. It is
# for the formats `iri` and `iri-reference`, which no schema of the tests has.
sys.modules["rfc3987_syntax"] = None

pytest_plugins = "tests.support.leaks"


def pytest_configure(config):
    config.pluginmanager.register(MEASURED)
    if not hasattr(config, "workerinput"):  # not in a process of pytest-xdist, which shares its controller's
        stack = ExitStack()
        stack.enter_context(fork_server())
        # Playwright's drivers and installers share what Node has compiled of them: see https://nodejs.org/api/module.html.
        os.environ["NODE_COMPILE_CACHE"] = stack.enter_context(tempfile.TemporaryDirectory(prefix="node"))
        config.add_cleanup(stack.close)
    gc.disable()


LINUX = re.compile(r"/proc\b|\b(unshare|nsenter|setpriv|prctl|on_a_disk|full_disk)\b")


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item):
    """Elsewhere than on Linux, skip the files of tests that use what Linux alone has."""
    if sys.platform != "linux" and LINUX.search(_text(item.path)):
        item.add_marker(pytest.mark.skip(reason="its file uses what Linux alone has"))


@functools.cache
def _text(path):
    return path.read_text(encoding="utf-8")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Let the files of the engine, which keep the processors busy, and others, which wait for processes, take turns.

    The files of unit tests, which are short, come last, so that all processes of a run end at about the same time.
    """
    groups = {}
    for path in dict.fromkeys(item.path for item in items):
        groups.setdefault(path.relative_to(TESTS).parts[0], []).append(path)
    short, engine = groups.pop("unit", []), groups.pop("engine", [])
    others = [path for group in groups.values() for path in group]
    place = {path: number / len(group) for group in (engine, others) for number, path in enumerate(group)}
    place |= dict.fromkeys(short, 1)
    items.sort(key=lambda item: place[item.path])


def pytest_collection_finish():
    """Leave all modules and collected tests out of each later garbage collection: they cost a tenth of a worker's time.

    Collect less often than Python does by itself: the applications of tests are many objects that end all at once.
    """
    gc.freeze()
    gc.set_threshold(5_000)
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    """Undo what a test changes in the environment: reading settings puts those of files there, keys included."""
    before = dict(os.environ)
    try:
        return (yield)
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@pytest.fixture(scope="session", autouse=True)
def _loopback_only():
    """Refuse connections outside loopback in all tests."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not ip_address(address[0]).is_loopback:
            raise OSError(f"tests may connect only to loopback, not to {address[0]}")
        return connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


@pytest.fixture(scope="session", autouse=True)
def _botocore_read_once():
    """Let all clients of S3 share what botocore reads from its files: a test would spend most of its time on that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.loaders.create_loader))
        yield


@pytest.fixture(scope="session", autouse=True)
def _redis_version_read_once():
    """Let all connections to Redis share the client's version: each reads it from the package's files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_library.utils, "get_lib_version", functools.cache(redis_library.utils.get_lib_version))
        yield


@pytest.fixture(scope="session", autouse=True)
def _rules_compiled_once():
    """Let all applications share Werkzeug's compiled rules: compiling them takes most of the time to make an application."""
    compile_builder, built = Rule._compile_builder, {}

    def cached(self, append_unknown=True):
        subject = self.rule, tuple(self._trace), str(self.defaults), append_unknown
        if subject not in built:
            built[subject] = compile_builder(self, append_unknown)
        return built[subject]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", cached)
        yield


@pytest.fixture(scope="session", autouse=True)
def _templates_compiled_once():
    """Let all applications share Jinja's compiled templates: compiling them takes most of the time to show a page."""
    compile_, compiled = Environment.compile, {}

    def cached(self, source, name=None, filename=None):
        subject = source, name, filename
        if subject not in compiled:
            compiled[subject] = compile_(self, source, name, filename)
        return compiled[subject]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Environment, "compile", cached)
        yield


@pytest.fixture(scope="session")
def redis_server():
    with running_redis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server):
    """An empty Redis."""
    with redis_library.Redis.from_url(redis_server.url) as client:
        client.flushall()
    yield redis_server.url
    Crowd.leave()


@pytest.fixture(scope="session", autouse=True)
def _recording():
    """Count in this process, so that labels that are not declared are seen: they are a warning, and warnings are errors."""
    start_recording()


@pytest.fixture(scope="session")
def postgres_server():
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def _migrated_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("database") / "migrated.db"
    sites.migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database_url(request, tmp_path):
    """An empty database with the catalogue's tables: a test that takes it runs on SQLite and on PostgreSQL.

    Those on PostgreSQL are left out where the slow ones are: its server is a process.
    """
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_server").empty_database()
    shutil.copy(request.getfixturevalue("_migrated_file"), tmp_path / "thumbnails.db")
    return f"sqlite:///{tmp_path}/thumbnails.db"


@pytest.fixture
def api():
    """A hosted screenshot API that speaks SnapSharp's contract."""
    with running_screenshot_api("snapsharp", key="sk_live_test") as server:
        yield server


class Resolver:
    """Resolves names to `answers`, and all other names to a public address."""

    def __init__(self):
        self.answers = {}
        self.asked = []

    def __call__(self, name):
        self.asked.append(name)
        return self.answers.get(name, [PUBLIC])


@pytest.fixture
def resolver():
    return Resolver()


@pytest.fixture
def settings(redis_url, api, tmp_path):
    """The settings of a test's application. A test may change them before it requests `client`."""
    return {
        "redis_url": redis_url,
        "capture_api": "snapsharp",
        "capture_url": api.url,
        "capture_api_key": "sk_live_test",
        "persist_dir": tmp_path / "media",
        "database_url": f"sqlite:///{tmp_path}/thumbnails.db",
        "originals": "redis",
        "memory_cache_bytes": 0,  # most tests look at what Redis holds
    }


@pytest.fixture
def make_built(settings, resolver):
    """Build the services of processes that share all stores, each with some settings changed."""
    made = []

    def make(**changes):
        made.append(services.build(Settings.of(**settings | changes), resolver))
        return made[-1]

    yield make
    for built in made:
        built.close()


@pytest.fixture
def built(make_built):
    """The services behind `client`."""
    return make_built()


@pytest.fixture
def make_client(make_built):
    """Make clients of applications with some settings changed."""
    return lambda **changes: client_of(make_built(**changes))


@pytest.fixture
def client(built):
    return client_of(built)


def client_of(built):
    return create_app(built.settings, built).test_client()

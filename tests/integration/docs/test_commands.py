"""Every shell command of the documents is run: by a real service, or by a stand-in that knows what there is to be named.

`ELSEWHERE` has those that are not, each with the test that runs it or the reason why it cannot be run here.
"""

import base64
import re
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

import config
import services
from services import Services
from sites.migrate import upgrade
from tests.support.doc_commands import PAGES, ROOT, Workshop, blocks
from tests.support.platforms import faults
from tests.support.processes import free_port
from tests.support.screenshot_api import picture, render, running_screenshot_api
from tests.support.web import running_web
from tests.support.worker import running_worker

pytestmark = pytest.mark.slow
SHELL = [block for page in PAGES for block in blocks(page) if block.language == "sh"]
# By the page and what the script begins with.
ELSEWHERE = {
    ("docs/sites.md", "curl -fsS -X POST"): "the service would fetch a list from the internet",
    ("docs/api.md", "curl -fsS -o openapi.json"): "tests/contract/test_openapi.py",
    ("docs/operations/database.md", ".venv/bin/python -c"): "tests/integration/sites/test_outages.py",
    ("docs/operations/database.md", "rm -f data"): "tests/integration/sites/test_outages.py",
    ("docs/operations/database.md", "pg_dump"): "tests/integration/sites/test_outages.py",
    ("docs/operations/database.md", "docker compose exec -T postgres"): "tests/integration/sites/test_outages.py",
    ("docs/operations/database.md", "pg_restore"): "tests/integration/sites/test_outages.py",
    ("docs/coming-from.md", "occ config"): "tests/integration/dialects/test_recipes.py",
    ("docs/coming-from.md", "docker exec serpbear"): "tests/integration/dialects/test_recipes.py",
    ("docs/static-cards.md", "thumbnails cards build content/posts"): "tests/integration/cards/test_static_cards.py",
    ("docs/static-cards.md", "thumbnails cards build content --out"): "needs Hugo",
    ("docs/static-cards.md", "thumbnails cards build _posts"): "needs Jekyll",
    ("docs/static-cards.md", "thumbnails cards build posts"): "tests/contract/test_static_generators.py",
    ("docs/static-cards.md", "thumbnails cards build src"): "needs Astro",
    (
        "docs/security.md",
        "# the outlet's container",
    ): "needs root, nft, and a container or a network namespace of the reader's",
}
# Pages whose commands are for a service with the secrets that the first day makes. All others: as `make run` starts it.
GUARDED = ("docs/operations/first-day.md", "docs/signing.md")
FOUR_COMMANDS = {block.name: block for block in SHELL if block.mark == "shell"}
# Files that a page's commands read: a list of sites, and the values that the page shows.
(MINE,) = [
    block.script
    for block in blocks(ROOT / "docs/operations/kubernetes.md")
    if (block.mark, block.name) == ("values", "one-node")
]
FILES = {
    "docs/sites.md": {
        "bookmarks.html": '<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DL><p><DT><A HREF="https://example.com/">A</A></DL>'
    },
    "docs/operations/kubernetes.md": {"mine.yaml": MINE},
}
LOG_PAGES = [ROOT / "docs" / "operations" / name for name in ("logs.md", "jobs.md")]
EVENTS = {
    name
    for page in LOG_PAGES
    for cell in re.findall(r"^\| (`[^|]+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    for name in re.findall(r"`([a-z_]+)`", cell)
}
CODES = re.findall(r"^\| `([a-z_]+)` \|", (ROOT / "docs/errors.md").read_text(encoding="utf-8"), re.MULTILINE)
# Each event that pages explain, and each error: so the commands of a page look for none that there is not.
LOG = "\n".join(
    [
        *(f'{{"event": "{event}", "verdict": "private"}}' for event in sorted(EVENTS)),
        *(f'{{"event": "request", "code": "{code}", "verdict": "private"}}' for code in CODES),
        '{"event": "browser started"}',  # of the engine
    ]
)


def left_out(block):
    return [why for (page, start), why in ELSEWHERE.items() if page == block.page and block.script.startswith(start)]


def run_here(page):
    return [block for block in SHELL if block.page == page and block.mark != "shell" and not left_out(block)]


def settings_of(folder, api, redis_url):
    folder.mkdir()
    return {
        "REDIS_URL": redis_url,
        "REDIS_PREFIX": folder.name,
        "CAPTURE_API": "engine",
        "CAPTURE_URL": api.url,
        "RESOLVE_TARGETS": "false",
        "DATABASE_URL": f"sqlite:///{folder}/thumbnails.db",
        "PERSIST_DIR": str(folder / "media"),
        "ORIGINALS_DIR": str(folder / "originals"),
        "WEB_CONCURRENCY": "1",
        "METRICS_PORT": str(free_port()),
    }


@dataclass(frozen=True)
class Installation:
    """A running service, the environment of a shell beside it, and what runs scripts there."""

    workshop: Workshop
    environ: dict[str, str]
    built: Services

    def run(self, block, script=None):
        script = script or block.script
        if re.search(r"^(status|log|restart)\b", script, re.MULTILINE):
            script = FOUR_COMMANDS["compose"].script + script
        self.built.jobs.store.workers.announce()  # as a worker and beat that run do
        self.built.jobs.store.workers.note_beat()
        folder = self.workshop.folder_of(block.page)
        ran = self.workshop.run(script, folder, self.environ)
        assert ran.status == 0, f"{block}\n{script}\n{ran.stdout}\n{ran.stderr}"
        assert [fault for call in ran.calls for fault in faults(call, folder)] == [], str(block)
        return ran


def draw(answer):
    """Draw pages by their URL and cards by their HTML."""
    wanted = answer.params
    if "html" not in wanted:
        picture(answer)
        return
    answer.reply(200, render(wanted["html"], wanted["width"], wanted["height"], "png"), {"Content-Type": "image/png"})


@contextmanager
def running_installation(folder, redis_url, secrets):
    with running_screenshot_api("engine") as api:
        api.behave(draw, times=1000)
        settings = settings_of(folder, api, redis_url) | secrets
        upgrade(settings["DATABASE_URL"])
        built = services.build(config.Settings.of(**{name.lower(): value for name, value in settings.items()}))
        with running_web(folder / "web.log", **settings) as url:
            addresses = {
                "127.0.0.1:8000": urlsplit(url).netloc,
                "localhost:8000": urlsplit(url).netloc,
                "127.0.0.1:9101": f"127.0.0.1:{settings['METRICS_PORT']}",
            }
            workshop = Workshop(folder / "workshop", LOG, addresses)
            yield Installation(workshop, settings | {"PUBLIC_URL": url}, built)
        built.close()


@pytest.fixture(scope="module")
def plain(redis_server, tmp_path_factory):
    """As `make run` starts it, with a worker: whoever reaches it may use it."""
    folder = tmp_path_factory.mktemp("docs") / "plain"
    with running_installation(folder, redis_server.url, {}) as installation:
        alone = {
            name: value for name, value in installation.environ.items() if name not in ("METRICS_PORT", "PUBLIC_URL")
        }
        with running_worker(folder / "worker.log", WORKER_CONCURRENCY=1, **alone):
            yield installation


@pytest.fixture(scope="module")
def guarded(redis_server, tmp_path_factory):
    """With the secrets that the commands of the first day make."""
    folder = tmp_path_factory.mktemp("docs")
    (block,) = [block for block in SHELL if block.script.startswith("umask 077")]
    done = Workshop(folder / "workshop", "", {}).run(block.script, folder, {})
    assert done.status == 0, done.stderr
    made = dict(line.split("=", 1) for line in (folder / ".env").read_text(encoding="utf-8").splitlines())
    with running_installation(folder / "guarded", redis_server.url, made) as installation:
        yield installation


@pytest.fixture
def service(request):
    return lambda page: request.getfixturevalue("guarded" if page in GUARDED else "plain")


@pytest.mark.parametrize("page", sorted({block.page for block in SHELL if run_here(block.page)}))
def test_the_commands_of_a_page_run_one_after_the_other(service, page):
    prepare = FILES.get(page, {})
    installation = service(page)
    for name, text in prepare.items():
        file = installation.workshop.folder_of(page) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for block in run_here(page):
        installation.run(block)


@pytest.mark.parametrize("platform", FOUR_COMMANDS)
def test_the_four_commands_of_an_installation_do_what_the_pages_use_them_for(plain, platform):
    block = FOUR_COMMANDS[platform]
    names = re.findall(r"^(\w+)\(\)", block.script, re.MULTILINE)
    use = {"status": "status", "log": "log web | grep blocked_url", "restart": "restart engine"}
    uses = [use[name] for name in names if name in use]
    ran = plain.run(block, "\n".join([block.script, "thumbnails doctor", *uses]))
    assert "ok       redis" in ran.stdout or "warning  redis" in ran.stdout
    assert "log" not in names or "blocked_url" in ran.stdout


def test_the_secrets_of_the_first_day_are_settings_that_nobody_else_can_read(guarded):
    settings = guarded.built.settings
    folder = guarded.workshop.folder.parent.parent
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    assert guarded.environ["SIGNING_KEYS"] == settings.signing_keys[0]
    assert len(settings.signing_keys[0]) == 48
    assert len(base64.b64decode(guarded.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))) == 32


def test_every_command_that_is_left_out_is_there_and_has_a_reason():
    for (page, start), why in ELSEWHERE.items():
        assert len([block for block in SHELL if block.page == page and block.script.startswith(start)]) == 1, start
        assert not why.startswith("tests/") or (ROOT / why).exists(), why

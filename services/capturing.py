"""Makes what takes captures: the screenshot APIs, and how often and how long they are asked."""

from capture import (
    DIALECTS,
    CaptureClient,
    CircuitBreaker,
    Costs,
    Engines,
    Politeness,
    Provider,
    Pseudonyms,
    Quota,
    ScreenshotAPI,
)
from config import ApiAccess, Settings
from coordination import StateRedis
from documents import Documents
from figures import PageFigures
from images import CpuPool
from thumbnails import WaitLimits


def make_screenshot_api(
    settings: Settings, state: StateRedis, cpu: CpuPool, costs: Costs, pages: PageFigures, documents: Documents
) -> ScreenshotAPI:
    providers = [
        Provider(
            _capture_client(each, settings.capture_concurrency, documents),
            CircuitBreaker(state, each.name),
            Quota(state, each.name, each.bulk_limit),
            costs,
            cpu,
        )
        for each in settings.apis
    ]
    return ScreenshotAPI(providers, cpu, Pseudonyms(state), pages.note)


def _capture_client(api: ApiAccess, pool: int, documents: Documents) -> CaptureClient | Engines:
    dialect = DIALECTS[api.name]
    clients = [
        CaptureClient(dialect, url, api.key, html_of=documents.html_of, pool=pool)
        for url in api.urls or (dialect.base_url,)
    ]
    return clients[0] if len(clients) == 1 else Engines(clients)


def make_politeness(settings: Settings, state: StateRedis) -> Politeness:
    """A capture waits for its turn for at most twice as long as it may take itself."""
    limit = settings.target_limit
    return Politeness(state, limit.at_once, limit.rates, longest=3 * settings.capture_timeout + 20)


def wait_limits(settings: Settings) -> WaitLimits:
    """A caller without a `wait` waits until the capture ends."""
    return WaitLimits(settings.web_connections * 3 // 4, settings.capture_timeout + 5)

"""The composition root: makes every collaborator once, from the settings."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import redis
import structlog

import cards
import netguard
import storage_backends
from access import AccessRules, ApiKey, BlockedTargets, Budget, Counters, RedisCounters, parse_size
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
from coordination import (
    LEASE_MS,
    CacheRedis,
    ClusterMode,
    Coalescer,
    Connections,
    IdempotencyStore,
    Leases,
    StateRedis,
    open_connections,
    warn_about_full_redis,
)
from documents import Documents, DocumentStore
from errors import StorageFull, ThumbnailError
from figures import DayFigures, PageFigures
from images import CpuPool
from jobs import JobPictures, JobPresenter, JobQueue, JobStore, celery_app
from metadata import Icons, IconStore, MetadataReader, PictureFetcher, PreviewFetcher
from netguard import Guard
from options import LONGEST_TTL
from purge import Cdn, Cloudflare, Fastly, PictureRooms, PurgeMethod, Purging
from refresh import Popularity, Refresher
from sites import (
    AdminSessions,
    AuditLog,
    Capturer,
    Catalogue,
    CatalogueBackup,
    Claims,
    Database,
    DraftReader,
    History,
    Pace,
    Recorder,
    SiteEvents,
    SitePictures,
    SiteViews,
    Sweeper,
    VersionStore,
    next_due,
)
from sites.exports import Exporter
from sites.imports import Importer, ListFetcher, ListOutlet, ListReader, ListTurns
from storage import OriginalStore, PictureStorage
from thumbnails import (
    Explainer,
    FailureHistory,
    Freshness,
    OriginalLimits,
    Originals,
    PictureCache,
    Previews,
    Purges,
    RedisOriginals,
    Renditions,
    Schemes,
    Thumbnailer,
    WaitLimits,
)
from validation import Validator
from webhooks import SITE_PREFIX, Deliveries, JobOutbox, Receivers, SiteOutbox, WebhookSender

_DISK_THREADS = 4  # reads and writes of originals at a time, in one process
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    validator: Validator
    access: AccessRules
    cache: PictureCache
    thumbnailer: Thumbnailer
    explainer: Explainer
    metadata: MetadataReader
    icons: Icons
    previews: Previews
    storage: PictureStorage
    originals_store: OriginalStore
    connections: Connections
    counters: Counters
    permanent_bytes: Budget
    screenshot_api: ScreenshotAPI
    document_store: DocumentStore
    costs: Costs
    coalescer: Coalescer
    renditions: Renditions
    popularity: Popularity
    refresher: Refresher
    idempotency: IdempotencyStore
    jobs: JobQueue
    job_pictures: JobPictures
    job_presenter: JobPresenter
    webhook_sender: WebhookSender
    deliveries: Deliveries
    database: Database
    catalogue_backup: CatalogueBackup
    catalogue: Catalogue
    drafts: DraftReader
    site_pictures: SitePictures
    site_views: SiteViews
    history: History
    site_capturer: Capturer
    site_sweeper: Sweeper
    site_events: SiteOutbox
    cpu: CpuPool
    admin_sessions: AdminSessions
    audit: AuditLog
    list_reader: ListReader
    list_turns: ListTurns
    importer: Importer
    exporter: Exporter
    day_figures: DayFigures
    page_figures: PageFigures
    purges: Purges
    purging: Purging
    templates: cards.Templates

    def ready(self) -> dict[str, str]:
        """Return the state of each dependency: ok, unreachable, full, or what to do. Each check ends within seconds.

        The database is none of them: without it, pictures are served and captured as before.
        """
        checks: dict[str, Callable[[], object]] = {
            "cache": self.connections.cache.require_writable,
            "state": self.connections.state.require_writable,
            "capture": self.screenshot_api.ping,
            "storage": self.storage.require_writable,
        }
        return {name: _state(name, check) for name, check in checks.items()}

    def start(self) -> None:
        """Begin to hear which pictures change. Call it in the process that serves them, after its fork."""
        self.purges.start()
        self.cache.track()

    def warn_about_redis(self) -> None:
        """Warn, when a process starts, if a full Redis would lose what it must keep, or refuse pictures."""
        warn_about_full_redis(self.connections)

    def close(self) -> None:
        """Wait for captures in progress, then close pooled connections."""
        self.coalescer.drain(self.settings.capture_timeout)
        self.renditions.drain(5)
        self.popularity.flush()
        self.site_views.flush()
        self.screenshot_api.close()
        self.purges.close()
        self.cache.close()
        self.jobs.close()
        self.connections.close()
        self.database.close()


def build(settings: Settings, lookup: netguard.Lookup = netguard.system_lookup) -> Services:
    """Make the services of one process. Opens no connection yet."""
    guard = Guard(frozenset(settings.allowed_ports), netguard.exemptions(settings.private_targets), lookup)
    connections = open_connections(settings.redis_url, settings.state_url, settings.redis_prefix, LEASE_MS / 1000)
    state = connections.state
    originals_store = _originals_store(settings, connections.cache)
    access = _access(settings)
    purges = Purges(state)
    cache = PictureCache(connections.cache, settings.memory_cache_bytes, originals=originals_store, purges=purges)
    leases = Leases(state)
    coalescer = Coalescer(leases, capacity=4 * settings.capture_concurrency + 2 * settings.capture_queue)
    cpu = CpuPool()
    pictures = _picture_fetcher(settings, guard, access)
    freshness = Freshness(settings.cache_ttl, settings.stale_ttl)
    costs = Costs(state, {each.name: each.price for each in settings.apis}, settings.capture_cost_limit)
    page_figures = PageFigures(state, enabled=settings.admin_key is not None)
    document_store = DocumentStore(state)
    documents = Documents({"document": document_store.find})
    screenshot_api = _screenshot_api(settings, state, cpu, costs, page_figures, documents)
    previews = Previews(PreviewFetcher(pictures, cpu), freshness)
    politeness, failures = _politeness(settings, state), FailureHistory(state)
    explainer = Explainer(
        cache,
        freshness=freshness,
        access=access,
        guard=guard,
        api=screenshot_api,
        coalescer=coalescer,
        politeness=politeness,
        failures=failures,
        originals=settings.originals,
        judges_here=settings.resolve_targets,
    )
    originals = Originals(
        cache,
        screenshot_api,
        coalescer,
        guard if settings.resolve_targets else None,
        _original_limits(settings),
        previews,
        politeness=politeness,
        failures=failures,
        require_shown=access.blocked.require_shown,
    )
    storage = _storage(settings)
    renditions = Renditions(cache, cpu, freshness)
    thumbnailer = Thumbnailer(
        cache, originals, renditions, storage, freshness, _wait_limits(settings), schemes=Schemes(connections.cache)
    )
    popularity = Popularity(state, settings.refresh_budget)
    jobs = _jobs(settings, state)
    presenter = JobPresenter(storage, settings.public_url)
    webhook_sender = WebhookSender(guard, settings.webhook_secret, resolves=settings.resolve_targets)
    counters = Counters(RedisCounters(state=state))
    validator = _validator(settings, guard)
    database = Database(settings.database_url)
    site_pictures = SitePictures(
        database, storage, cache, renditions, settings.cache_ttl + settings.stale_ttl, access.blocked.require_shown
    )
    versions = VersionStore(database, storage, cpu, site_pictures.changed)
    catalogue = Catalogue(database, next_due, on_removed=site_pictures.changed)
    drafts = DraftReader(validator, access.require_target)
    site_events = SiteOutbox(state, SiteEvents(database), settings.sites_webhook_url, settings.public_url or "")
    permanent_bytes = Budget(counters, f"{settings.persist_bytes_limit} per day", "bytes of permanent pictures")
    return Services(
        settings=settings,
        validator=validator,
        access=access,
        cache=cache,
        thumbnailer=thumbnailer,
        explainer=explainer,
        metadata=MetadataReader(thumbnailer, guard, cpu),
        previews=previews,
        icons=Icons(thumbnailer, IconStore(connections.cache, pictures, cpu), guard, cpu),
        storage=storage,
        originals_store=originals_store,
        connections=connections,
        counters=counters,
        permanent_bytes=permanent_bytes,
        screenshot_api=screenshot_api,
        document_store=document_store,
        costs=costs,
        coalescer=coalescer,
        renditions=renditions,
        popularity=popularity,
        refresher=Refresher(popularity, thumbnailer, settings.refresh_budget, freshness),
        idempotency=IdempotencyStore(state, leases),
        jobs=jobs,
        job_pictures=JobPictures(thumbnailer, storage, jobs.store.runs, permanent_bytes),
        job_presenter=presenter,
        webhook_sender=webhook_sender,
        deliveries=_deliveries(
            Receivers(state, settings.worker_concurrency), jobs, webhook_sender, presenter, site_events
        ),
        database=database,
        catalogue_backup=CatalogueBackup(database),
        catalogue=catalogue,
        drafts=drafts,
        site_pictures=site_pictures,
        cpu=cpu,
        site_views=SiteViews(database, timedelta(seconds=settings.cache_ttl)),
        history=History(versions, access.blocked.require_shown),
        admin_sessions=AdminSessions(database),
        audit=AuditLog(database),
        list_reader=_list_reader(settings, guard, access),
        list_turns=ListTurns(),
        importer=Importer(catalogue, drafts.fields, CpuPool(1)),
        exporter=Exporter(catalogue, storage, cpu, access.blocked.require_shown),
        site_capturer=Capturer(
            _claims(settings, database),
            Recorder(versions, site_events.messages),
            thumbnailer,
            validator,
            access.require_target,
            Pace(state, settings.sites_budget),
        ),
        site_sweeper=Sweeper(database, storage),
        site_events=site_events,
        day_figures=DayFigures(state),
        page_figures=page_figures,
        purges=purges,
        purging=Purging.of(
            PictureRooms(purges, cache, site_pictures, catalogue, state, settings.nginx_cache_dir, _cdns(settings)),
            guard,
            access.blocked,
        ),
        templates=cards.load([settings.templates_dir] if settings.templates_dir else []),
    )


def _cdns(settings: Settings) -> list[Cdn]:
    cdns: list[Cdn] = [PurgeMethod(url) for url in settings.purge_urls]
    if settings.fastly_service_id and settings.fastly_api_token:
        token = settings.fastly_api_token.get_secret_value()
        cdns.append(Fastly(settings.fastly_service_id, token, settings.fastly_api_url))
    if settings.cloudflare_zone_id and settings.cloudflare_api_token:
        token = settings.cloudflare_api_token.get_secret_value()
        cdns.append(Cloudflare(settings.cloudflare_zone_id, token, settings.cloudflare_api_url))
    return cdns


def _wait_limits(settings: Settings) -> WaitLimits:
    """A caller without a `wait` waits until the capture ends."""
    return WaitLimits(settings.web_connections * 3 // 4, settings.capture_timeout + 5)


def _validator(settings: Settings, guard: Guard) -> Validator:
    return Validator(guard, block_ads=settings.block_ads, allow_ignore_https_errors=settings.allow_ignore_https_errors)


def _deliveries(
    receivers: Receivers, jobs: JobQueue, sender: WebhookSender, presenter: JobPresenter, site_events: SiteOutbox
) -> Deliveries:
    return Deliveries(jobs.store, receivers, sender, JobOutbox(jobs.store, presenter), {SITE_PREFIX: site_events})


def _claims(settings: Settings, database: Database) -> Claims:
    """Claims last as long as it may take until Celery redelivers the message of a killed worker."""
    run, lifetime = 1.5 * settings.job_time_limit, settings.cache_ttl
    return Claims(database, timedelta(seconds=run), timedelta(seconds=lifetime))


def _picture_fetcher(settings: Settings, guard: Guard, access: AccessRules) -> PictureFetcher:
    shown = access.blocked.require_shown
    if settings.lists_egress is None:
        return PictureFetcher(guard, require_shown=shown)
    outlet = ListOutlet(*settings.lists_egress)
    return PictureFetcher(guard, open_pool=lambda target, _, tls: outlet.pool(target, tls), require_shown=shown)


def _list_reader(settings: Settings, guard: Guard, access: AccessRules) -> ListReader:
    outlet = ListOutlet(*settings.lists_egress) if settings.lists_egress else None
    return ListReader(ListFetcher(guard, require_target=access.require_target, outlet=outlet), CpuPool(1))


def _jobs(settings: Settings, state: StateRedis) -> JobQueue:
    store = JobStore(state, settings.job_time_limit / 8, settings.job_queue_limit)
    return JobQueue(celery_app(settings.state_url, settings.redis_prefix, settings.job_time_limit), store)


def _originals_store(settings: Settings, shared: CacheRedis) -> OriginalStore:
    if settings.originals == "folder":
        return storage_backends.OriginalsFolder(
            settings.originals_dir, settings.originals_max_bytes, CpuPool(_DISK_THREADS)
        )
    if settings.originals == "s3" and settings.s3_bucket:
        return storage_backends.S3Originals(
            settings.s3_bucket, region=settings.s3_region, endpoint_url=settings.s3_endpoint_url
        )
    return RedisOriginals(shared)


def _original_limits(settings: Settings) -> OriginalLimits:
    return OriginalLimits(
        settings.capture_timeout,
        settings.capture_concurrency,
        settings.capture_queue,
        _keep_originals(settings),
        _largest_original(settings),
        LONGEST_TTL + settings.stale_ttl + _keep_originals(settings),
    )


def _keep_originals(settings: Settings) -> int:
    """Return for how many seconds to keep originals. A refresh compares with the old one, so it outlives its ttl.

    Outside Redis they are kept as long as pictures are shown, since a PNG in the captured size is the original itself.
    """
    shown = settings.cache_ttl + settings.stale_ttl
    default = 86400 if settings.originals == "redis" else max(shown, 86400)
    return (settings.master_ttl or default) + (settings.cache_ttl if settings.refresh_budget else 0)


def _largest_original(settings: Settings) -> int:
    if settings.master_max_bytes is not None:
        return settings.master_max_bytes
    return 4 * 2**20 if settings.originals == "redis" else 25 * 2**20


def _access(settings: Settings) -> AccessRules:
    return AccessRules(
        tuple(map(ApiKey.parse, settings.api_keys)),
        settings.signing_keys,
        settings.allowed_targets,
        frozenset(map(parse_size, settings.allowed_sizes)),
        BlockedTargets(settings.blocked_targets, settings.blocked_targets_file),
    )


def _screenshot_api(
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


def _politeness(settings: Settings, state: StateRedis) -> Politeness:
    """A capture waits for its turn for at most twice as long as it may take itself."""
    limit = settings.target_limit
    return Politeness(state, limit.at_once, limit.rates, longest=3 * settings.capture_timeout + 20)


def _capture_client(api: ApiAccess, pool: int, documents: Documents) -> CaptureClient | Engines:
    dialect = DIALECTS[api.name]
    clients = [
        CaptureClient(dialect, url, api.key, html_of=documents.html_of, pool=pool)
        for url in api.urls or (dialect.base_url,)
    ]
    return clients[0] if len(clients) == 1 else Engines(clients)


def _storage(settings: Settings) -> PictureStorage:
    if settings.s3_bucket is None:
        return storage_backends.LocalStorage(settings.persist_dir, settings.persist_min_free)
    return storage_backends.S3Storage(
        settings.s3_bucket,
        region=settings.s3_region,
        endpoint_url=settings.s3_endpoint_url,
        public_url=settings.s3_public_url,
        conditional=settings.s3_conditional,
    )


def _state(name: str, check: Callable[[], object]) -> str:
    try:
        return "unreachable" if check() is False else "ok"
    except StorageFull:  # logged where it was found
        return "full"
    except (redis.RedisError, ThumbnailError, OSError) as err:
        _log.warning("not_ready", dependency=name, error=type(err).__name__, reason=str(err)[:200])
        return str(err) if isinstance(err, ClusterMode) else "unreachable"

"""Makes the services of a process, and shows how they are connected."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import redis
import structlog

import cards
import netguard
from access import AccessRules, Budgets, Counters, RedisCounters
from capture import Costs, ScreenshotAPI
from config import Settings
from coordination import (
    LEASE_MS,
    ClusterMode,
    Coalescer,
    Connections,
    IdempotencyStore,
    Leases,
    open_connections,
    warn_about_full_redis,
)
from documents import Documents, DocumentStore
from errors import StorageFull, ThumbnailError
from figures import DayFigures, PageFigures
from images import CpuPool
from jobs import JobPictures, JobPresenter, JobQueue
from metadata import ICON, SHARED, Icons, MetadataReader, PictureStore, PreviewFetcher, ShareReader
from netguard import Guard
from purge import CachesInFront, PictureRooms, Purging
from refresh import Popularity, Refresher
from services.access import make_access, make_validator
from services.capturing import make_politeness, make_screenshot_api, wait_limits
from services.catalogue import make_claims, make_list_reader, make_picture_fetcher
from services.jobs import make_deliveries, make_jobs
from services.keeping import make_front_caches, make_originals_store, make_storage, original_limits
from sites import (
    AdminSessions,
    AuditLog,
    Capturer,
    Catalogue,
    CatalogueBackup,
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
from sites.imports import Importer, ListReader, ListTurns
from storage import OriginalStore, PictureStorage
from thumbnails import (
    LEAST_FREE,
    CardDocuments,
    CardThumbnails,
    DiskRing,
    Explainer,
    FailureHistory,
    Freshness,
    LocalTier,
    Originals,
    PictureCache,
    Previews,
    Purges,
    QueryExplainer,
    Renditions,
    Schemes,
    Thumbnailer,
)
from validation import Validator
from webhooks import Deliveries, Receivers, SiteOutbox, WebhookSender

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    validator: Validator
    access: AccessRules
    cache: PictureCache
    thumbnailer: Thumbnailer
    explainer: Explainer
    query_explainer: QueryExplainer
    metadata: MetadataReader
    icons: Icons
    shares: ShareReader
    previews: Previews
    storage: PictureStorage
    originals_store: OriginalStore
    connections: Connections
    counters: Counters
    budgets: Budgets
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
    card_thumbnails: CardThumbnails

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


def _disk_cache(settings: Settings) -> DiskRing | None:
    """Return a ring in the folder of originals: elsewhere, a disk may be missing, or be memory."""
    if settings.originals != "folder" or not settings.disk_cache_bytes:
        return None
    least_free = max(LEAST_FREE, 2 * settings.persist_min_free)  # below that, /persist would answer `storage_full`
    return DiskRing(settings.originals_dir, settings.disk_cache_bytes, least_free)


def build(settings: Settings, lookup: netguard.Lookup = netguard.system_lookup) -> Services:
    """Make the services of one process. Opens no connection yet."""
    guard = Guard(frozenset(settings.allowed_ports), netguard.exemptions(settings.private_targets), lookup)
    connections = open_connections(settings.redis_url, settings.state_url, settings.redis_prefix, LEASE_MS / 1000)
    state = connections.state
    originals_store = make_originals_store(settings, connections.cache)
    access = make_access(settings)
    jobs, purges = make_jobs(settings, state), Purges(state)
    in_front = CachesInFront(make_front_caches(settings), state, jobs.store.agenda)
    cache = PictureCache(
        connections.cache,
        LocalTier(settings.memory_cache_bytes, _disk_cache(settings)),
        originals_store,
        purges,
        in_front.tell_of_page,
    )
    leases = Leases(state)
    coalescer = Coalescer(leases, capacity=4 * settings.capture_concurrency + 2 * settings.capture_queue)
    cpu = CpuPool()
    pictures = make_picture_fetcher(settings, guard, access)
    freshness = Freshness(settings.cache_ttl, settings.stale_ttl)
    costs = Costs(state, {each.name: each.price for each in settings.apis}, settings.capture_cost_limit)
    page_figures = PageFigures(state, enabled=settings.admin_key is not None)
    document_store = DocumentStore(state)
    validator = make_validator(settings, guard)
    templates = cards.load([settings.templates_dir] if settings.templates_dir else [])
    documents = Documents(
        {
            "document": document_store.find,
            "card": CardDocuments(templates, cache, validator.parse_page).find,
        }
    )
    screenshot_api = make_screenshot_api(settings, state, cpu, costs, page_figures, documents)
    previews = Previews(PreviewFetcher(pictures, cpu), freshness)
    politeness, failures = make_politeness(settings, state), FailureHistory(state)
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
        original_limits(settings),
        previews,
        politeness=politeness,
        failures=failures,
        require_shown=access.blocked.require_shown,
    )
    storage = make_storage(settings)
    renditions = Renditions(cache, cpu, freshness)
    thumbnailer = Thumbnailer(
        cache, originals, renditions, storage, freshness, wait_limits(settings), schemes=Schemes(connections.cache)
    )
    popularity = Popularity(state, settings.refresh_budget)
    presenter = JobPresenter(storage, settings.public_url)
    webhook_sender = WebhookSender(guard, settings.webhook_secret, resolves=settings.resolve_targets)
    counters = Counters(RedisCounters(state=state))
    database = Database(settings.database_url)
    site_pictures = SitePictures(
        database, storage, cache, renditions, settings.cache_ttl + settings.stale_ttl, access.blocked.require_shown
    )
    versions = VersionStore(database, storage, cpu, site_pictures.changed)
    catalogue = Catalogue(database, next_due, on_removed=site_pictures.changed)
    drafts = DraftReader(validator, access.require_target)
    site_events = SiteOutbox(state, SiteEvents(database), settings.sites_webhook_url, settings.public_url or "")
    budgets = Budgets.of(settings, counters)
    return Services(
        settings=settings,
        validator=validator,
        access=access,
        cache=cache,
        thumbnailer=thumbnailer,
        explainer=explainer,
        query_explainer=QueryExplainer(explainer, thumbnailer, validator, access, budgets),
        metadata=(metadata := MetadataReader(thumbnailer, guard, cpu)),
        shares=ShareReader(metadata, PictureStore(SHARED, connections.cache, pictures, cpu), guard),
        previews=previews,
        icons=Icons(thumbnailer, PictureStore(ICON, connections.cache, pictures, cpu), guard, cpu),
        storage=storage,
        originals_store=originals_store,
        connections=connections,
        counters=counters,
        budgets=budgets,
        screenshot_api=screenshot_api,
        document_store=document_store,
        costs=costs,
        coalescer=coalescer,
        renditions=renditions,
        popularity=popularity,
        refresher=Refresher(popularity, thumbnailer, settings.refresh_budget, freshness),
        idempotency=IdempotencyStore(state, leases),
        jobs=jobs,
        job_pictures=JobPictures(
            thumbnailer, storage, jobs.store.runs, budgets.permanent_bytes, document_store.release
        ),
        job_presenter=presenter,
        webhook_sender=webhook_sender,
        deliveries=make_deliveries(
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
        list_reader=make_list_reader(settings, guard, access),
        list_turns=ListTurns(),
        importer=Importer(catalogue, drafts.fields, CpuPool(1)),
        exporter=Exporter(catalogue, storage, cpu, access.blocked.require_shown),
        site_capturer=Capturer(
            make_claims(settings, database),
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
            PictureRooms(purges, cache, site_pictures, catalogue, state, in_front),
            guard,
            access.blocked,
        ),
        templates=templates,
        card_thumbnails=CardThumbnails(templates, thumbnailer, validator.parse_page),
    )


def _state(name: str, check: Callable[[], object]) -> str:
    try:
        return "unreachable" if check() is False else "ok"
    except StorageFull:  # logged where it was found
        return "full"
    except (redis.RedisError, ThumbnailError, OSError) as err:
        _log.warning("not_ready", dependency=name, error=type(err).__name__, reason=str(err)[:200])
        return str(err) if isinstance(err, ClusterMode) else "unreachable"

"""Makes the rooms in which pictures are kept, here and in front, with their limits."""

import storage_backends
from config import Settings
from coordination import CacheRedis
from images import CpuPool
from options import LONGEST_TTL
from purge import Cloudflare, EdgeCache, Fastly, FrontCache, PurgeMethod
from storage import OriginalStore, PictureStorage
from thumbnails import OriginalLimits, RedisOriginals

_DISK_THREADS = 4  # reads and writes of originals at a time, in one process


def make_storage(settings: Settings) -> PictureStorage:
    if settings.s3_bucket is None:
        return storage_backends.LocalStorage(settings.persist_dir, settings.persist_min_free)
    return storage_backends.S3Storage(
        settings.s3_bucket,
        region=settings.s3_region,
        endpoint_url=settings.s3_endpoint_url,
        public_url=settings.s3_public_url,
        conditional=settings.s3_conditional,
    )


def make_originals_store(settings: Settings, shared: CacheRedis) -> OriginalStore:
    if settings.originals == "folder":
        return storage_backends.OriginalsFolder(
            settings.originals_dir, settings.originals_max_bytes, CpuPool(_DISK_THREADS)
        )
    if settings.originals == "s3" and settings.s3_bucket:
        return storage_backends.S3Originals(
            settings.s3_bucket, region=settings.s3_region, endpoint_url=settings.s3_endpoint_url
        )
    return RedisOriginals(shared)


def original_limits(settings: Settings) -> OriginalLimits:
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


def make_front_caches(settings: Settings) -> list[FrontCache]:
    caches: list[FrontCache] = [PurgeMethod(url) for url in settings.purge_urls]
    if settings.nginx_cache_dir:
        caches.append(EdgeCache(settings.nginx_cache_dir))
    if settings.fastly_service_id and settings.fastly_api_token:
        token = settings.fastly_api_token.get_secret_value()
        caches.append(Fastly(settings.fastly_service_id, token, settings.fastly_api_url))
    if settings.cloudflare_zone_id and settings.cloudflare_api_token:
        token = settings.cloudflare_api_token.get_secret_value()
        caches.append(Cloudflare(settings.cloudflare_zone_id, token, settings.cloudflare_api_url))
    return caches

"""Sites and versions as callers see them: the same JSON in answers of the API, webhooks and exports."""

from datetime import datetime

from sites.values import Site, Version


def describe_site(site: Site, base: str) -> dict[str, object]:
    """Return `site` in JSON's types. `base` is the URL of the service, without a slash at its end."""
    failure = site.failure and {
        "code": site.failure.code,
        "message": site.failure.message,
        "since": moment(site.failure.since),
        "count": site.failure.count,
    }
    return {
        "id": site.id,
        "url": site.url,
        "title": site.title,
        "note": site.note,
        "tags": list(site.tags),
        "options": dict(site.options),
        "schedule": site.schedule,
        "keep": site.keep,
        "paused": site.paused,
        "status": site.status,
        "failure": failure,
        "created_at": moment(site.created_at),
        "updated_at": moment(site.updated_at),
        "captured_at": moment(site.captured_at),
        "changed_at": moment(site.changed_at),
        "due_at": moment(site.due_at),
        "pinned": site.pinned,
        "uploaded": site.uploaded,
        "revision": site.revision,
        "image": f"{base}/sites/{site.id}/image",
        "picture": site.picture and describe_version(site.picture, base),
    }


def describe_version(version: Version, base: str) -> dict[str, object]:
    """Return `version` in JSON's types. `change` is in percent, `region` in pixels of the picture."""
    return {
        "number": version.number,
        "captured_at": moment(version.captured_at),
        "seen_at": moment(version.seen_at),
        "change": version.change,
        "region": version.region and version.region._asdict(),
        "colour": version.colour,
        "content_type": version.content_type,
        "width": version.width,
        "height": version.height,
        "bytes": version.size,
        "uploaded": version.uploaded,
        "captured_by": version.captured_by or None,
        "image": f"{base}/sites/{version.site_id}/versions/{version.number}/image",
    }


def moment(time: datetime | None) -> str | None:
    """Write a time as RFC 3339 does, in UTC and whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if time else None

"""What the service responds, as JSON Schemas. A test compares them with every response that it gets."""

from collections.abc import Mapping
from types import MappingProxyType

from capture import DIALECTS as SCREENSHOT_APIS
from jobs import State, WebhookState
from metadata import NETWORKS, Layout, Severity, Source
from options import FILES, FORMATS
from sites import Status
from sites.imports import ImportAction, ListKind
from web.openapi.row import Contents, JSONSchema

TEXT: JSONSchema = {"type": "string"}
FLAG: JSONSchema = {"type": "boolean"}
COUNT: JSONSchema = {"type": "integer", "minimum": 0}
NUMBER: JSONSchema = {"type": "number"}
URL: JSONSchema = {"type": "string", "format": "uri"}
MOMENT: JSONSchema = {"type": "string", "format": "date-time"}
BINARY: JSONSchema = {"type": "string", "format": "binary"}
_API: JSONSchema = {"enum": sorted(SCREENSHOT_APIS), "description": "The screenshot API that took it."}
_STATUS: JSONSchema = {"type": "integer", "minimum": 100, "maximum": 599}
_ID: JSONSchema = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_PERCENT: JSONSchema = {"type": "number", "minimum": 0, "maximum": 100}
_STATE: JSONSchema = {"enum": [str(each) for each in State], "type": "string"}
_CONTENT_TYPE: JSONSchema = {"type": "string", "enum": [FORMATS[name].content_type for name in FILES]}
_DEPENDENCY: JSONSchema = {"type": "string", "description": "`ok`, or what is wrong with it.", "examples": ["ok"]}


def ref(name: str) -> JSONSchema:
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: JSONSchema) -> JSONSchema:
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(schema: JSONSchema) -> JSONSchema:
    return {"type": "array", "items": schema}


def json(schema: JSONSchema) -> Contents:
    return {"application/json": schema}


def text(*media_types: str) -> Contents:
    return dict.fromkeys(media_types, TEXT)


def pictures(*names: str) -> Contents:
    """Return the contents of a picture in one of the formats `names`, all of them without one."""
    return {FORMATS[name].content_type: BINARY for name in names or FILES}


def _object(description: str, /, **properties: JSONSchema) -> JSONSchema:
    """Return the schema of an object that always has its `properties`."""
    return {"type": "object", "description": description, "properties": properties, "required": list(properties)}


def _without(schema: JSONSchema, *optional: str) -> JSONSchema:
    """Return the schema of an object that need not have its `optional` properties."""
    return {**schema, "required": [name for name in schema["required"] if name not in optional]}


_FAILURE = _object("Why captures fail.", code=TEXT, message=TEXT, since=MOMENT, count=COUNT)
_LINE = _without(
    _object(
        "What became of a line.",
        line=COUNT,
        url=TEXT,
        action={"type": "string", "enum": [str(each) for each in ImportAction]},
        sitemap=TEXT,
        changes=list_of(TEXT),
        field=TEXT,
        reason=TEXT,
    ),
    "sitemap",
    "changes",
    "field",
    "reason",
)
_VERSION: Mapping[str, JSONSchema] = {
    "number": {"type": "integer", "minimum": 1, "description": "Counts from 1."},
    "captured_at": MOMENT | {"description": "When it was captured first."},
    "seen_at": MOMENT | {"description": "When it last looked the same."},
    "change": _PERCENT | {"description": "How much of the picture differs from the version before, in percent."},
    "region": nullable(ref("Region")),
    "colour": TEXT | {"description": "The mean colour, for a placeholder.", "examples": ["#f4f2ee"]},
    "content_type": _CONTENT_TYPE,
    "width": COUNT,
    "height": COUNT,
    "bytes": COUNT,
    "uploaded": FLAG,
    "captured_by": nullable(TEXT | {"description": "The screenshot API that took it. Uploaded pictures have none."}),
    "image": TEXT | {"description": "The URL of its picture."},
}
_SITE: Mapping[str, JSONSchema] = {
    "id": {"type": "integer", "minimum": 1},
    "url": TEXT,
    "title": TEXT,
    "note": TEXT,
    "tags": list_of(TEXT),
    "options": {"type": "object", "additionalProperties": TEXT},
    "schedule": TEXT,
    "keep": TEXT,
    "paused": FLAG,
    "status": {"type": "string", "enum": [str(each) for each in Status]},
    "failure": nullable(_FAILURE),
    "created_at": MOMENT,
    "updated_at": MOMENT,
    "captured_at": nullable(MOMENT),
    "changed_at": nullable(MOMENT),
    "due_at": nullable(MOMENT),
    "pinned": FLAG,
    "uploaded": FLAG,
    "revision": COUNT | {"description": "Counts the edits."},
    "image": TEXT | {"description": "The URL of its picture."},
    "picture": nullable(ref("Version")),
}
_JOBS = _object(
    "The jobs of the last day.",
    queued={"type": "object", "additionalProperties": COUNT},
    undelivered=COUNT,
    jobs={"type": "object", "additionalProperties": COUNT},
    retries=COUNT,
    oldest_seconds=nullable(NUMBER),
    worker_seen_seconds=nullable(NUMBER),
)

_SECONDS: JSONSchema = {"type": "integer"}
_KEY = _object("A key.", digest=TEXT, canonical=TEXT)
_PERMISSION = _object("Whether it is allowed.", allowed=FLAG, code=nullable(TEXT), reason=nullable(TEXT))
_WINDOW = _object("A limit, in one window.", limit=COUNT, window=COUNT, remaining=COUNT, reset=COUNT)
_LEVEL = _object(
    "A picture in one level.",
    state={"enum": ["fresh", "stale", "expired", "purged", "outdated"]},
    content_type=_CONTENT_TYPE,
    width=COUNT,
    height=COUNT,
    bytes=COUNT,
    etag=TEXT,
    captured_at=MOMENT,
    captured_by=nullable(_API),
    suspect=FLAG,
    notes=TEXT,
    fresh_for=COUNT,
    stale_for=COUNT,
    kept_for=nullable(_SECONDS),
    held_for=nullable(NUMBER),
)

SCHEMAS: Mapping[str, JSONSchema] = MappingProxyType(
    {
        "ThumbnailState": _without(
            _object(
                "Whether a picture is there. An error is a problem with the state `failed`.",
                state={"type": "string", "enum": ["ready", "pending"]},
                url=TEXT,
                picture=TEXT | {"description": "The URL of the picture."},
                captured_at=MOMENT,
                format=TEXT,
                captured_by=_API,
                width=COUNT,
                height=COUNT,
                retry_after=COUNT | {"description": "In seconds."},
                code={"const": "pending"},
                message=TEXT,
            ),
            *("captured_at", "captured_by", "format", "width", "height", "retry_after", "code", "message"),
        ),
        "PageMetadata": _object(
            "What a page says of itself. What it does not say is null.",
            url=TEXT,
            source={"type": "string", "enum": [str(each) for each in Source]},
            final_url=nullable(TEXT),
            status=nullable(_STATUS),
            title=nullable(TEXT),
            description=nullable(TEXT),
            site_name=nullable(TEXT),
            author=nullable(TEXT),
            published=nullable(TEXT),
            language=nullable(TEXT),
            theme_color=nullable(TEXT),
            canonical=nullable(TEXT),
            favicon=nullable(TEXT),
            image=nullable(
                _object(
                    "Its preview picture.", url=TEXT, width=nullable(COUNT), height=nullable(COUNT), alt=nullable(TEXT)
                )
            ),
            feeds=list_of(_object("A feed.", url=TEXT, type=TEXT, title=nullable(TEXT))),
            palette=list_of(TEXT),
            captured_at=MOMENT,
            picture=TEXT | {"description": "The URL of its picture."},
            icon=TEXT | {"description": "The URL of its icon."},
        ),
        "ContractTemplates": _object(
            "Templates of cards.",
            templates=list_of(_object("A template.", id=TEXT, name=TEXT, description=TEXT, variables=list_of(TEXT))),
        ),
        "ShareCheck": _object(
            "How networks show a shared page. What is not there is null.",
            url=TEXT,
            final_url=nullable(TEXT),
            status=nullable(_STATUS),
            tags={"type": "object", "additionalProperties": TEXT, "description": "As the page writes them."},
            pictures={
                "type": "object",
                "additionalProperties": _object(
                    "The picture that a tag names, as its file is.",
                    format=nullable(TEXT),
                    width=nullable(COUNT),
                    height=nullable(COUNT),
                    bytes=nullable(COUNT),
                    problem=nullable(TEXT),
                ),
            },
            cards=list_of(
                _object(
                    "What one network shows.",
                    network={"type": "string", "enum": [each.name for each in NETWORKS]},
                    layout={"type": "string", "enum": [str(each) for each in Layout]},
                    title=TEXT,
                    description=nullable(TEXT),
                    site=TEXT,
                    picture=nullable(TEXT | {"description": "The tag that names it."}),
                    shape=nullable({"type": "number", "description": "Width by height; null for the whole picture."}),
                    colour=nullable(TEXT),
                )
            ),
            findings=list_of(
                _object(
                    "What is the matter.",
                    level={"type": "string", "enum": [str(each) for each in Severity]},
                    tag=nullable(TEXT),
                    text=TEXT,
                    networks=list_of(TEXT),
                )
            ),
        ),
        "OEmbed": _without(
            _object(
                "A card or a picture, as https://oembed.com describes it.",
                version={"const": "1.0"},
                type={"type": "string", "enum": ["rich", "photo"]},
                title=TEXT,
                provider_name=TEXT,
                provider_url=TEXT,
                cache_age=COUNT,
                width=COUNT,
                height=COUNT,
                author_name=TEXT,
                url=TEXT | {"description": "Of a photo: the URL of the picture."},
                html=TEXT | {"description": "Of a card: its frame."},
                thumbnail_url=TEXT,
                thumbnail_width=COUNT,
                thumbnail_height=COUNT,
            ),
            *("author_name", "url", "html", "thumbnail_url", "thumbnail_width", "thumbnail_height"),
        ),
        "PermanentPicture": _without(
            _object(
                "A picture that is stored permanently.",
                url=TEXT | {"description": "Its permanent URL."},
                cached=FLAG | {"description": "Whether it was known, so that nothing was captured."},
                key=TEXT,
                content_type=_CONTENT_TYPE,
                width=COUNT,
                height=COUNT,
                bytes=COUNT,
                sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"},
                captured_at=MOMENT,
                captured_by=_API,
                page_status=_STATUS,
                private_content=FLAG,
            ),
            "captured_by",
            "private_content",
            "page_status",
        ),
        "JobStarted": _object("A job that was made.", job_id=_ID, status=_STATE),
        "BatchStarted": _object("A batch that was made.", batch_id=_ID, status=_STATE, jobs=list_of(ref("JobStarted"))),
        "JobError": _without(
            _object(
                "Why the job failed.",
                status=_STATUS,
                code=TEXT,
                title=TEXT,
                detail=TEXT,
                retryable=FLAG,
                page_status=_STATUS,
            ),
            "page_status",
        ),
        "JobWebhook": _object(
            "The delivery of the job's webhook.",
            state={"type": "string", "enum": [str(each) for each in WebhookState]},
            attempts=COUNT,
            last_status=nullable(_STATUS),
        ),
        "Job": _without(
            _object(
                "A job.",
                job_id=_ID,
                status=_STATE,
                image_url=nullable(TEXT),
                error=nullable(ref("JobError")),
                retries=COUNT,
                webhook=nullable(ref("JobWebhook")),
                created_at=MOMENT,
                completed_at=nullable(MOMENT),
                captured_by=_API,
                private_content=FLAG,
                page_status=_STATUS,
            ),
            "captured_by",
            "private_content",
            "page_status",
        ),
        "Batch": _object(
            "A batch of jobs, and how many of them are in each state.",
            batch_id=_ID,
            status=_STATE,
            **{str(each): COUNT for each in State},
            created_at=MOMENT,
            jobs=list_of(ref("Job")),
        ),
        "Usage": _object(
            "The caller's budget of captures.",
            plan={"const": "self-hosted"},
            period=_object("The current window.", start=MOMENT, end=MOMENT),
            usage=_object("What is used.", requests=COUNT, limit=COUNT, remaining=COUNT, percentage=_PERCENT),
            breakdown=_object("By endpoint.", screenshot=COUNT),
            cache_hit_rate={"type": "null"},
            avg_response_time_ms={"type": "null"},
        ),
        "Region": _object("A part of a picture, in its pixels.", left=COUNT, top=COUNT, width=COUNT, height=COUNT),
        "Version": _object("How a site looked.", **_VERSION),
        "Versions": _object(
            "Versions of a site, the newest first.", versions=list_of(ref("Version")), next=nullable(TEXT)
        ),
        "Difference": _object(
            "What differs between two versions.",
            **{"from": ref("Version"), "to": ref("Version")},
            change=_PERCENT,
            region=nullable(ref("Region")),
            image=TEXT | {"description": "The URL of a picture that shows it."},
        ),
        "Site": _object("A site of the catalogue.", **_SITE),
        "SitePage": _object(
            "A page of sites.",
            sites=list_of(ref("Site")),
            next=nullable(TEXT),
            previous=nullable(TEXT),
            total=nullable(COUNT),
        ),
        "RefusedSite": _object(
            "A site that was refused.",
            error=_object("Why.", code=TEXT, status=_STATUS, detail=TEXT, retryable=FLAG, request_id=TEXT),
        ),
        "SitesAdded": _object(
            "What became of each of many sites.",
            added=COUNT,
            refused=COUNT,
            sites=list_of({"anyOf": [ref("Site"), ref("RefusedSite")]}),
        ),
        "Tags": _object("All tags.", tags=list_of(_object("A tag.", tag=TEXT, sites=COUNT))),
        "ImportReport": _object(
            "What became of each line of a list.",
            kind={"type": "string", "enum": [str(each) for each in ListKind]},
            dry_run=FLAG,
            lines=COUNT,
            **{str(each): COUNT for each in ImportAction},
            ignored_columns=list_of(TEXT),
            unreadable_sitemaps=COUNT,
            sites=list_of(_LINE),
        ),
        "Health": _object("That the process serves.", ok=FLAG, status={"const": "ok"}, version=TEXT, uptime=NUMBER),
        "Explanation": _object(
            "What the service knows of a page. Times are in seconds; what is not known, or does not apply, is null.",
            url=TEXT,
            options={"type": "object"},
            private=FLAG,
            keys=_object("What is hashed for each key.", capture=_KEY, rendition=_KEY),
            request=_object(
                "What a request would get and be charged for.",
                x_cache=nullable({"enum": ["HIT", "STALE", "MISS", "BYPASS"]}),
                code=nullable(TEXT),
                why=TEXT,
                captures=COUNT,
                renditions=COUNT,
                api=nullable(TEXT),
                price=TEXT,
            ),
            cache=_object(
                "The levels of the cache.",
                reachable=FLAG,
                memory=nullable(_LEVEL),
                rendition=nullable(_LEVEL),
                note=nullable(
                    _object(
                        "When the page was last captured.",
                        captured_at=MOMENT,
                        suspect=FLAG,
                        shows_error=FLAG,
                        kept_for=nullable(_SECONDS),
                    )
                ),
                original_in_memory=nullable(_LEVEL),
                original=nullable(_LEVEL),
                originals={"enum": ["folder", "s3", "redis"]},
                purged_before=nullable(MOMENT),
                failure=nullable(
                    _object("A remembered failure.", code=TEXT, reason=TEXT, at=MOMENT, seconds_left=nullable(_SECONDS))
                ),
                nginx=TEXT,
            ),
            guard=_object(
                "The guard's verdict.", verdict=TEXT, allowed=FLAG, addresses=list_of(TEXT), judged_here=FLAG
            ),
            access=_object("What the operator allows.", target=_PERMISSION, size=_PERMISSION, signature_needed=FLAG),
            client=TEXT,
            budgets={"type": "object", "additionalProperties": list_of(_WINDOW)},
            apis=list_of(
                _object(
                    "A screenshot API.",
                    name=_API,
                    takes=FLAG,
                    breaker=_object(
                        "Its breaker.",
                        state={"enum": ["closed", "open", "probing"]},
                        failures=COUNT,
                        code=nullable(TEXT),
                        seconds=COUNT,
                    ),
                    price=TEXT,
                    affordable=FLAG,
                    refusal=nullable(TEXT),
                    addresses=list_of(
                        _object(
                            "What the answering process knows of an address.",
                            address=TEXT,
                            outstanding=COUNT,
                            slots=nullable(COUNT),
                            others=nullable(COUNT),
                            load_age=nullable(NUMBER),
                            away=FLAG,
                        )
                    ),
                )
            ),
            flight=_object(
                "A capture in progress.",
                here=FLAG,
                elsewhere=FLAG,
                machine=nullable(TEXT),
                process=nullable(COUNT),
                seconds=nullable(NUMBER),
            ),
            host=_object(
                "How often the host is captured.", at_once=COUNT, running=COUNT, waiting=COUNT, rates=list_of(_WINDOW)
            ),
            failures=list_of(
                _object(
                    "A failure of the last day.",
                    at=MOMENT,
                    code=TEXT,
                    reason=TEXT,
                    request_id=TEXT,
                    api=nullable(TEXT),
                    api_status=nullable(COUNT),
                    api_code=nullable(TEXT),
                    event={"type": "object"},
                )
            ),
        ),
        "Purge": _object(
            "What was purged, and which caches in front have confirmed it.",
            purged={"type": "string", "enum": ["url", "host", "site", "tag", "all"]},
            captured_before=MOMENT,
            scopes=COUNT,
            caches={"type": "object", "additionalProperties": {"enum": ["ok", "queued", "retrying"]}},
        ),
        "Readiness": _object(
            "The state of each dependency.",
            ok=FLAG,
            cache=_DEPENDENCY,
            state=_DEPENDENCY,
            capture=_DEPENDENCY,
            storage=_DEPENDENCY,
            limits={"type": "string", "enum": ["redis", "memory"]},
            originals={"type": "string", "enum": ["ok", "unavailable"]},
            database=_DEPENDENCY,
            jobs={"anyOf": [_JOBS, {"const": "unreachable"}]},
        ),
    }
)

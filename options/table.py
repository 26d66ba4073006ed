"""The options, one field each. The dataclass of an option says which key it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from options.devices import ALIASES, DEVICES
from options.formats import FORMAT_ALIASES, FORMATS, PNG
from options.kinds import (
    Boolean,
    Choice,
    Code,
    Matching,
    Number,
    Parts,
    Preset,
    Selector,
    Text,
    Texts,
    Time,
    Whole,
    Zone,
)
from options.option import LEFT_OUT, REQUIRED, Option, Param, callers_options, option, options_of
from options.target import Target
from options.values import (
    A_CLIP,
    COOKIES,
    FARTHEST,
    HEADERS,
    Clip,
    Cookies,
    Headers,
    clip_object,
    clip_text,
    cookie_objects,
    has_foreign_cookie,
    has_insecure_cookie,
    header_object,
    read_clip,
    read_cookies,
    read_headers,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SHORTEST_TTL, LONGEST_TTL = 60, 2592000  # seconds
LONGEST_WAIT = 120  # seconds
MAX_BATCH = 100
OUTPUT_SIDE = Whole(16, 3840, "pixels")
MAX_URL_BYTES = 2048
MAX_BYTES = 25 << 20  # of a captured picture: what the service takes from an API
MAX_PIXELS = 64 << 20  # of an original: a bitmap of 256 MiB, in the browser and again in the service

SCREENSHOT = "screenshot"
_URL = "an absolute http:// or https:// URL"
# SnapSharp documents no list of its devices, only names like these.
_HANDHELD: MappingProxyType[object, object] = MappingProxyType(
    {name: device.label for name, device in DEVICES.items() if device.system.mobile}
)
# Language, script, region and variants: https://www.rfc-editor.org/rfc/rfc5646#section-2.1
_LOCALE = Matching(
    "[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3})){0,2}",
    "a BCP 47 language tag such as de-DE",
)
_AGENT = Matching("[!-~]([ -~]{0,510}[!-~])?", "1 to 512 printable ASCII characters")


def _same(*values: str) -> MappingProxyType[object, object]:
    """Map each value to itself, for an API that names it as we do."""
    return MappingProxyType({value: value for value in values})


# Hosted APIs have no `settled`: the dialects send a delay instead.
_WAITS: MappingProxyType[object, object] = MappingProxyType(
    {"settled": "load", "load": "load", "domcontentloaded": "domcontentloaded", "networkidle": "networkidle"}
)


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """What the browser captures. Lengths are in CSS pixels, `delay` is in milliseconds.

    `format` and `quality` are those of the captured original, not of the renditions made from it. It is "png", which
    is lossless, or "pdf".
    """

    target: Target = option(
        REQUIRED, Text(_URL), f"the page, at most {MAX_URL_BYTES:,} bytes; percent-encoded in a query", name="url"
    )
    device: str | None = option(
        None,
        Preset(tuple(DEVICES), ALIASES),
        "a preset of `width`, `height`, `scale`, touch screen and `user_agent`; what is given beside it wins. See "
        "[devices.md](devices.md)",
        apis={
            "snapsharp": Param("device", values=_HANDHELD),
            "engine": Param("device"),
            "snapapi": Param("device"),
        },
    )
    width: int = option(
        1280,
        Whole(320, 3840, "CSS pixels"),
        "width of the viewport",
        apis={
            "snapsharp": Param("width", limits=(320, 3840)),
            "hermesforge": Param("width"),  # documents no limits, and two defaults of the height: always sent
            "snapapi": Param("width", limits=(100, 3840)),
        },
    )
    height: int = option(
        720,
        Whole(240, 2160, "CSS pixels"),
        "height of the viewport",
        apis={
            "snapsharp": Param("height", limits=(240, 2160)),
            "hermesforge": Param("height"),
            "snapapi": Param("height", limits=(100, 2160)),
        },
    )
    full_page: bool = option(
        False,
        Boolean(),
        "capture the whole page, not only the viewport",
        apis={
            "snapsharp": Param("full_page", default=False),
            "hermesforge": Param("full_page", default=False),
            "snapapi": Param("fullPage", default=False),
        },
    )
    max_height: int | None = option(
        None,
        Whole(240, 16_384, "CSS pixels"),
        "with `full_page`, the height at which the page is cut; `X-Thumb-Note` says if it was",
        default_words="the highest that the screenshot API draws",
        apis={"engine": Param("max_height")},
    )
    scale: float = option(
        1.0,
        Number(1, 3),
        "device pixels per CSS pixel",
        apis={
            "snapsharp": Param("retina", default=False, values={1: False, 2: True}),
            "engine": Param("scale", default=1, limits=(1, 3)),
            "snapapi": Param("deviceScaleFactor", default=1, limits=(1, 3)),
        },
    )
    delay: int = option(
        0,
        Whole(0, 10000, "milliseconds"),
        "time to wait after that, in the page's own time",
        apis={
            "snapsharp": Param("delay", default=0, limits=(0, 10_000)),
            "hermesforge": Param("delay", default=0, limits=(0, 5000)),
            "snapapi": Param("delay", default=0, limits=(0, 30_000)),
        },
    )
    wait_until: str = option(
        "settled",
        Choice(("settled", "load", "domcontentloaded", "networkidle")),
        "when the page counts as loaded. `settled` is two seconds of the page's own time after `load`, at rest: see "
        "[capturing.md](capturing.md)",
        apis={
            "snapsharp": Param("wait_until", default="load", values=_WAITS),
            "engine": Param("wait_until", default="settled"),
            "snapapi": Param("waitUntil", default="load", values=_WAITS),
        },
    )
    wait_for: str | None = option(
        None,
        Selector(256),
        "wait until an element matches",
        apis={"snapsharp": Param("wait_for"), "snapapi": Param("waitForSelector")},
    )
    selector: str | None = option(
        None,
        Selector(256),
        "capture only the first element that matches",
        apis={"engine": Param("selector"), "snapapi": Param("selector")},
    )
    hide: str | None = option(
        None,
        Selector(1024, several=True),
        "hide every element that matches; separate selectors by commas",
        apis={
            "snapsharp": Param("hide_selectors"),
            "engine": Param("hide_selectors", limits=(1, 2048)),
            # One item: a selector list is a selector, and a split at its commas would break `:is(a, b)`.
            "snapapi": Param("hideSelectors", write=lambda selectors: [selectors]),
        },
    )
    block_ads: bool = option(
        True,
        Boolean(),
        "block advertisements and trackers",
        setting="block_ads",
        apis={
            "snapsharp": Param("block_ads", default=False),
            "hermesforge": Param("block_ads", default=False),
            "snapapi": Param("blockAds", default=False),
        },
    )
    block_trackers: bool = option(
        False,
        Boolean(),
        apis={"snapsharp": Param("block_trackers", default=False), "snapapi": Param("blockTrackers", default=False)},
    )
    block_cookie_banners: bool = option(
        True,
        Boolean(),
        "refuse cookie banners by their own buttons, and hide what is left",
        setting="block_ads",
        apis={
            "snapsharp": Param("block_cookie_banners", default=False),
            "hermesforge": LEFT_OUT,
            "snapapi": Param("blockCookieBanners", default=False),
        },
    )
    block_chats: bool = option(
        True,
        Boolean(),
        "hide chat widgets, and pop-ups for newsletters and notifications",
        setting="block_ads",
        apis={
            "snapsharp": Param("block_chats", default=False),
            "hermesforge": LEFT_OUT,
            "snapapi": Param("blockChatWidgets", default=False),
        },
    )
    dark_mode: bool = option(
        False,
        Boolean(),
        "tell the page that the visitor prefers dark colours",
        apis={"snapsharp": Param("dark_mode", default=False), "snapapi": Param("darkMode", default=False)},
    )
    css: str | None = option(
        None,
        Code("a style sheet"),
        "a style sheet that is added to the page; see [capturing.md](capturing.md#what-the-caller-does-to-the-page)",
        shown=False,
        public=True,
        apis={"snapsharp": Param("css"), "snapapi": Param("css", limits=(0, 100_000))},
    )
    js: str | None = option(
        None,
        Code("a script"),
        "a script that runs in the page, as one of its own, before the picture is taken",
        shown=False,
        apis={"snapsharp": Param("js"), "snapapi": Param("javascript", limits=(0, 100_000))},
    )
    click: str | None = option(
        None,
        Selector(256),
        "click the first element that matches, once the page is at rest",
        apis={"snapsharp": Param("click"), "snapapi": Param("clickSelector")},
    )
    scroll_y: int = option(
        0,
        Whole(0, FARTHEST, "CSS pixels"),
        "scroll down so far before the picture is taken",
        apis={"snapsharp": Param("scroll_y", default=0)},
    )
    clip: Clip | None = option(
        None,
        Parts(A_CLIP, read_clip),
        "capture only this part of the page, from its top left corner. What lies outside the page is cut off; "
        "`X-Thumb-Note` says so",
        apis={
            "snapsharp": Param("clip", write=clip_object),
            "engine": Param("clip", write=clip_text),
        },
    )
    headers: Headers = option(
        (),
        Parts(HEADERS, read_headers),
        "headers that are sent with the requests of the page's own origin",
        default_words="none",
        shown=False,
        apis={
            "snapsharp": Param("headers", default=(), write=header_object),
            "snapapi": Param("extraHeaders", default=(), write=header_object),
        },
    )
    cookies: Cookies = option(
        (),
        Parts(COOKIES, read_cookies),
        "cookies that the page's own host gets, such as those of a session",
        default_words="none",
        shown=False,
        apis={
            "snapsharp": Param("cookies", default=(), write=cookie_objects),
            "snapapi": Param("cookies", default=(), write=cookie_objects),
        },
    )
    bypass_csp: bool = option(False, Boolean(), apis={"snapsharp": Param("bypass_csp", default=False)})
    error_pages: str = option(
        "refuse",
        Choice(("refuse", "show")),
        "what becomes of a page with a status of 400 or more: `refuse` gives the error `page_status`, `show` the picture of "
        "what the page shows. See [Error pages](#error-pages)",
        apis={"engine": Param("error_pages", default="refuse")},
    )
    ignore_https_errors: bool = option(
        False,
        Boolean(),
        "capture a site although its certificate has expired, is for another host, or is from no known authority. Only where "
        "the operator has set `ALLOW_IGNORE_HTTPS_ERRORS`",
        allowed_by="allow_ignore_https_errors",
        apis={"engine": Param("ignore_https_errors", default=False)},
    )
    image: str = option(
        SCREENSHOT,
        Choice((SCREENSHOT, "auto", "og")),
        "what shows the page: its `screenshot`; `og`, the picture that it names for previews; or `auto`, that picture if it "
        "is a good one, else the screenshot. See [metadata.md](metadata.md#the-pages-own-picture)",
    )
    color_scheme: str | None = option(
        None,
        Choice(("light", "dark")),
        "the colours that the visitor prefers; `dark` is the same as `dark_mode`",
        default_words="`light`",
        apis={"engine": Param("color_scheme")},  # the service itself always says it by `dark_mode`
    )
    reduced_motion: bool = option(
        False,
        Boolean(),
        "tell the page that the visitor prefers less motion",
        apis={
            "engine": Param("reduced_motion", default=False),
            "snapapi": Param("reducedMotion", default=False),
        },
    )
    locale: str | None = option(
        None,
        _LOCALE,
        "the visitor's language, for `Accept-Language`, `navigator.languages`, and the formats of numbers and dates",
        default_words="`en-US`",
        apis={"engine": Param("locale"), "snapapi": Param("locale")},
    )
    timezone: str | None = option(
        None,
        Zone(),
        "the visitor's time zone",
        default_words="that of the screenshot API's machine",
        apis={"engine": Param("timezone"), "snapapi": Param("timezone")},
    )
    user_agent: str | None = option(
        None,
        _AGENT,
        "the `User-Agent` of every request. Client hints are left out then, as they might contradict it",
        default_words="[desktop Chrome](capturing.md#who-is-asking)",
        apis={"snapsharp": Param("user_agent"), "snapapi": Param("userAgent")},
    )
    transparent: bool = option(False, Boolean(), apis={"engine": Param("transparent", default=False)})
    format: str = option(
        PNG,
        Choice(tuple(each.name for each in FORMATS.values() if each.from_api)),
        apis={
            "snapsharp": Param("format", values=_same("png", "jpeg", "webp", "pdf")),
            "hermesforge": Param("format", values=_same("png", "jpeg", "webp", "pdf")),
            "snapapi": Param("format", values=_same("png", "jpeg", "webp", "avif", "pdf")),
        },
    )
    quality: int = option(
        90,  # high, because every rendition of a lossy original is encoded a second time
        Whole(1, 100),
        apis={"snapsharp": Param("quality", default=80), "snapapi": Param("quality")},
    )

    @property
    def url(self) -> str:
        return self.target.url

    @property
    def as_screenshot(self) -> "CaptureOptions":
        """The same page as a screenshot, which is all that a screenshot API takes."""
        return self if self.image == SCREENSHOT else replace(self, image=SCREENSHOT)

    @property
    def contradiction(self) -> tuple[str, str]:
        """The name of an option that contradicts another one, and the reason; two empty texts if there is none."""
        beside = "format=pdf" if self.format == "pdf" else "selector" if self.selector else ""
        if self.clip and beside:
            return "clip", f"cannot be combined with {beside}; remove one of them"
        if self.image != SCREENSHOT and self.format == "pdf":
            return "image", "cannot be combined with format=pdf; remove one of them"
        if has_foreign_cookie(self.cookies, self.target):
            return "cookies", f"must be of the page's own domain: {self.target.host}, or for a name one above it"
        if has_insecure_cookie(self.cookies, self.target):
            return (
                "cookies",
                "must be of an https URL for names with __Secure- or __Host-, and the latter of the path /",
            )
        return "", ""


@dataclass(frozen=True, slots=True)
class Rendition:
    """How a captured page is delivered. `w` and `h` are in output pixels, None for the captured size."""

    w: int | None = option(
        None,
        OUTPUT_SIDE,
        "width of the picture; alone, it keeps the aspect ratio and does not enlarge",
        default_words="the captured width",
        signed=False,
    )
    h: int | None = option(
        None,
        OUTPUT_SIDE,
        "height of the picture; alone, it keeps the aspect ratio and does not enlarge",
        default_words="the captured height",
        signed=False,
    )
    fit: str = option(
        "cover",
        Choice(("cover", "contain", "inside")),
        "how the page fits into `w` × `h`. `cover` fills it and crops at the bottom and the sides; `contain` shows "
        "everything, with bars; `inside` shows everything and is at most that size",
        signed=False,
    )
    format: str = option(
        PNG,
        Choice(tuple(FORMATS), FORMAT_ALIASES),
        "file format; for `/thumb` also `lqip`, and `auto`; see [Formats](#formats)",
        signed=False,
    )
    quality: int = option(80, Whole(1, 100), "quality of a lossy format", signed=False)
    provenance: bool = option(
        False,
        Boolean(),
        "write into the file when, from where and by what the page was captured; see [provenance.md](provenance.md)",
    )


@dataclass(frozen=True, slots=True)
class Delivery:
    """When and how a picture is delivered. No key includes these. `ttl` and `wait` are in seconds, None for the default.

    The format is `negotiated` if it follows from `Accept`. A `background` capture yields to captures with a waiting
    caller. With `http_too`, the caller wrote no scheme: http will do if nothing answers by https.
    """

    ttl: int | None = option(
        None,
        Whole(SHORTEST_TTL, LONGEST_TTL, "seconds"),
        "how long the picture counts as fresh",
        default_words="the setting `CACHE_TTL` (86400)",
    )
    fresh: bool = option(
        False,
        Boolean(),
        "capture the page now, for every size. If that fails, the last good picture is sent as `STALE`. A fresh capture "
        "is charged, unless it joins one in progress, and needs an API key if keys are set",
    )
    wait: int | None = option(
        None,
        Whole(0, LONGEST_WAIT, "seconds"),
        "how long the caller waits. After that, a 202 with a placeholder is sent and the capture continues. "
        "If no capture can begin, `over_capacity` is sent at once",
        default_words="until the capture ends",
        signed=False,
    )
    theme: str = option(
        "auto",
        Choice(("auto", "light", "dark")),
        "the colours of placeholders; `auto` is dark if the browser sends `Sec-CH-Prefers-Color-Scheme: dark`",
        signed=False,
    )
    expires: int | None = option(None, Time(), "when the signature expires; see [Access](#access)")
    negotiated: bool = False
    background: bool = False
    http_too: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """The option that access control reads from the query itself. It is neither passed on nor stored."""

    sig: str | None = option(None, Text("a signature"), "the signature of the URL; see [Access](#access)", signed=False)


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What `/screenshots` accepts besides the options of a thumbnail."""

    urls: tuple[str, ...] | None = option(
        None,
        Texts(f"a list of 1 to {MAX_BATCH} absolute http:// or https:// URLs", MAX_BATCH),
        "instead of `url`: a batch, with one job for each URL, all with the same options",
    )
    webhook_url: str | None = option(
        None,
        Text("an absolute https:// URL"),
        "where to send a message when the job ends; see [webhooks.md](webhooks.md)",
    )
    persist: bool = option(False, Boolean(), "store the picture permanently, as `/persist` does")


def _of_callers(*groups: "type[DataclassInstance]") -> Mapping[str, Option]:
    return MappingProxyType({each.name: each for group in groups for each in callers_options(group)})


PRIVATE = frozenset(each.name for each in options_of(CaptureOptions) if each.private)
# Long texts and secrets: records hold them no longer than needed, and a batch may hold only so many characters of them.
BULKY = PRIVATE | {each.name for each in options_of(CaptureOptions) if isinstance(each.kind, Code)}
MOST_BULK = 256 << 10
THUMBNAIL_OPTIONS = _of_callers(CaptureOptions, Rendition, Delivery, Signature)
# Of the picture of a card, beside the variables of its template: its format is the ending of its address.
CARD_OPTIONS = MappingProxyType(
    {
        name: THUMBNAIL_OPTIONS[name]
        for name in ("w", "h", "fit", "quality", "scale", "ttl", "fresh", "wait", "expires", "sig")
    }
)
# Of the pictures of sites, which do not know from which URL they were captured: that of a site may have changed since.
SITE_IMAGE_OPTIONS = MappingProxyType(
    {each.name: each for each in callers_options(Rendition) if each.name != "provenance"}
)
JOB_OPTIONS = _of_callers(JobOptions)

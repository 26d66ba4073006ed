"""The presets of the option `device`, each described once: its window, its touch screen and how it names itself. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class System:
    """What a browser says about the system that it runs on.

    `agent` is its User-Agent, with `{major}` for the browser's major version, `platform` is `navigator.platform`. `hints`
    are the client hints about the system, None for a browser that sends none. One that is `mobile` has a touch screen,
    and shows a page that is not made for it as wide as on a desktop, but smaller.
    """

    label: str
    agent: str
    platform: str
    hints: Mapping[str, str] | None = None
    mobile: bool = False


def _hints(platform: str, version: str, architecture: str = "", bitness: str = "") -> Mapping[str, str]:
    return MappingProxyType(
        {"platform": platform, "platformVersion": version, "architecture": architecture, "bitness": bitness}
    )


# Chrome names neither its minor version nor the device, and x86_64 on every Linux, Intel on every Mac:
# https://www.chromium.org/updates/ua-reduction/. Since its version 26, Safari names the version 18.6 of the system.
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.0.0"
_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1"
_ANDROID = _hints("Android", "16.0.0")

OWN = System(
    "Chrome on Linux",
    f"Mozilla/5.0 (X11; Linux x86_64) {_CHROME} Safari/537.36",
    "Linux x86_64",
    _hints("Linux", "", "x86", "64"),
)
MACOS = System(
    "Chrome on macOS",
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_CHROME} Safari/537.36",
    "MacIntel",
    _hints("macOS", "15.6.0", "arm", "64"),
)
IPHONE = System(
    "Safari on iOS",
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {_SAFARI}",
    "iPhone",
    mobile=True,
)
IPAD = System("Safari on iPadOS", f"Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) {_SAFARI}", "iPad", mobile=True)
ANDROID_PHONE = System(
    "Chrome on Android",
    f"Mozilla/5.0 (Linux; Android 10; K) {_CHROME} Mobile Safari/537.36",
    "Linux armv81",
    _ANDROID,
    mobile=True,
)
ANDROID_TABLET = System(
    "Chrome on Android",
    f"Mozilla/5.0 (Linux; Android 10; K) {_CHROME} Safari/537.36",
    "Linux armv81",
    _ANDROID,
    mobile=True,
)


@dataclass(frozen=True, slots=True)
class Device:
    """One preset. `width` and `height` are those of its window in CSS pixels, held upright if it is a phone or a tablet.

    `form` is a form factor of client hints, `model` what Chrome on Android tells a site that asks for it.
    """

    label: str
    form: str
    width: int
    height: int
    scale: float
    system: System
    model: str = ""


# What SnapSharp's documents call a device without saying which one.
ALIASES: Mapping[str, str] = MappingProxyType({"ipad-pro": "ipad-pro-11"})

# SnapAPI's names, so that they mean the same there. The labels are SnapSharp's.
DEVICES: Mapping[str, Device] = MappingProxyType(
    {
        "iphone-se": Device("iPhone SE", "Mobile", 375, 667, 2, IPHONE),
        "iphone-14": Device("iPhone 14", "Mobile", 390, 844, 3, IPHONE),
        "iphone-15-pro": Device("iPhone 15 Pro", "Mobile", 393, 852, 3, IPHONE),
        "iphone-15-pro-max": Device("iPhone 15 Pro Max", "Mobile", 430, 932, 3, IPHONE),
        "pixel-8": Device("Pixel 8", "Mobile", 412, 915, 2.625, ANDROID_PHONE, "Pixel 8"),
        "samsung-galaxy-s24": Device("Samsung Galaxy S24", "Mobile", 360, 780, 3, ANDROID_PHONE, "SM-S921B"),
        "ipad-mini": Device("iPad Mini", "Tablet", 744, 1133, 2, IPAD),
        "ipad": Device("iPad", "Tablet", 820, 1180, 2, IPAD),
        "ipad-pro-11": Device("iPad Pro 11", "Tablet", 834, 1194, 2, IPAD),
        "samsung-galaxy-tab-s9": Device("Samsung Galaxy Tab S9", "Tablet", 800, 1280, 2, ANDROID_TABLET, "SM-X710"),
        "macbook-pro-13": Device("MacBook Pro 13", "Desktop", 1440, 900, 2, MACOS),
        "desktop-1080p": Device("Desktop 1080p", "Desktop", 1920, 1080, 1, OWN),
        "desktop-1440p": Device("Desktop 1440p", "Desktop", 2560, 1440, 1, OWN),
        "desktop-4k": Device("Desktop 4K", "Desktop", 3840, 2160, 1, OWN),
    }
)

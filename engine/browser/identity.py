"""What the browser says that it is: desktop Chrome of its own version, not HeadlessChrome, which many sites refuse.

One source for the header `User-Agent`, the client hints (`Sec-CH-UA*`) and `navigator`, so that they agree.
"""

from dataclasses import dataclass
from typing import Any

# Chrome names no minor version, and x86_64 on every Linux: https://www.chromium.org/updates/ua-reduction/
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.0.0 Safari/537.36"
PLATFORM = "Linux x86_64"
LANGUAGES = ("en-US", "en")
SCREEN = (1920, 1080)
# Headless Chromium has no pointer that could hover, so pages would take it for a tablet. 2 is one that hovers, 4 a mouse.
MOUSE = "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"

# Each version names a brand that does not exist, so that sites read the list by its names:
# https://wicg.github.io/ua-client-hints/#grease
_GREASE_MARKS = " (:-./);=?_"
_GREASE_VERSIONS = ("8", "99", "24")
_ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


def flags() -> tuple[str, ...]:
    """The flags that hold for all that the browser does, service workers and shared workers too."""
    return (
        f"--lang={LANGUAGES[0]}",
        f"--accept-lang={','.join(LANGUAGES)}",
        f"--window-size={SCREEN[0]},{SCREEN[1]}",  # the screen is as large
        "--disable-blink-features=AutomationControlled",
        f"--blink-settings={MOUSE}",
    )


@dataclass(frozen=True, slots=True)
class BrowserIdentity:
    """Chrome of `version`, such as 156.0.8078.108. The operator's `suffix` ends every User-Agent."""

    version: str
    suffix: str = ""

    @property
    def major(self) -> str:
        return self.version.partition(".")[0]

    def user_agent(self) -> str:
        return self.signed(AGENT.replace("{major}", self.major))

    def signed(self, user_agent: str) -> str:
        """Add the operator's suffix."""
        return f"{user_agent} {self.suffix}".rstrip()

    def client_hints(self) -> dict[str, Any]:
        """Return the client hints as `Emulation.UserAgentMetadata`."""
        return {
            "brands": self._brands(self.major, "{}"),
            "fullVersionList": self._brands(self.version, "{}.0.0.0"),
            "platform": "Linux",
            "platformVersion": "",
            "architecture": "x86",
            "bitness": "64",
            "model": "",
            "mobile": False,
            "wow64": False,
            "formFactors": ["Desktop"],
        }

    def _brands(self, version: str, grease: str) -> list[dict[str, str]]:
        """List the brands in the order that Chrome derives from its major version."""
        seed = int(self.major)
        first, second = (_GREASE_MARKS[(seed + n) % len(_GREASE_MARKS)] for n in (0, 1))
        greased = grease.format(_GREASE_VERSIONS[seed % len(_GREASE_VERSIONS)])
        brands = (f"Not{first}A{second}Brand", greased), ("Chromium", version), ("Google Chrome", version)
        order = _ORDERS[seed % len(_ORDERS)]
        placed = dict(zip(order, brands, strict=True))
        return [{"brand": placed[place][0], "version": placed[place][1]} for place in sorted(placed)]

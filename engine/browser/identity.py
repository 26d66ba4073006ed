"""What the browser says that it is: desktop Chrome of its own version, not HeadlessChrome, which many sites refuse.

One source for the header `User-Agent`, the client hints (`Sec-CH-UA*`) and `navigator`, so that they agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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

    def user_agent(self, agent: str) -> str:
        """Write a User-Agent, with this browser's major version for `{major}`."""
        return self.signed(agent.replace("{major}", self.major))

    def signed(self, user_agent: str) -> str:
        """Add the operator's suffix."""
        return f"{user_agent} {self.suffix}".rstrip()

    def client_hints(self, system: Mapping[str, str], form: str, model: str = "") -> dict[str, Any]:
        """Return the client hints as `Emulation.UserAgentMetadata`, on a `system` and for a form factor."""
        return {
            **system,
            "brands": self._brands(self.major, "{}"),
            "fullVersion": self.version,
            "fullVersionList": self._brands(self.version, "{}.0.0.0"),
            "model": model,
            "mobile": form == "Mobile",
            "wow64": False,
            "formFactors": [form],
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

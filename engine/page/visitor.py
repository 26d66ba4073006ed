"""The visitor that a page sees: its browser, device, language and time zone. Frames and workers see the same one."""

from collections.abc import Iterable, Mapping
from typing import Any

from engine.browser.identity import LANGUAGES, SCREEN, BrowserIdentity
from options import DEVICES, CaptureOptions
from options.devices import OWN

TOUCHES = 5  # fingers that a touch screen tells apart

Call = tuple[str, Mapping[str, Any]]


class Visitor:
    """The visitor of one capture, as the calls that set it up."""

    def __init__(self, params: CaptureOptions, identity: BrowserIdentity) -> None:
        self._params = params
        self._identity = identity
        self._device = DEVICES[params.device] if params.device else None
        self._system = self._device.system if self._device else OWN

    def page_calls(self) -> Iterable[Call]:
        """The calls to the page. Of all pages that are open at a time, the browser itself would give the focus to none."""
        yield from self.calls()
        yield "Emulation.setFocusEmulationEnabled", {"enabled": True}
        if self._params.transparent:
            yield "Emulation.setDefaultBackgroundColorOverride", {"color": {"r": 0, "g": 0, "b": 0, "a": 0}}

    def calls(self) -> Iterable[Call]:
        """The calls to the page and to each of its frames that has a process of its own."""
        yield from self.worker_calls()
        if self._system.mobile:
            yield "Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": TOUCHES}
        wishes = {"prefers-color-scheme": "dark" * self._params.dark_mode}
        wishes["prefers-reduced-motion"] = "reduce" * self._params.reduced_motion
        if features := [{"name": name, "value": value} for name, value in wishes.items() if value]:
            yield "Emulation.setEmulatedMedia", {"features": features}

    def worker_calls(self) -> Iterable[Call]:
        """The calls to a worker of the page."""
        yield "Emulation.setUserAgentOverride", self._names() | {"acceptLanguage": ",".join(self._languages())}
        if self._params.locale:
            yield "Emulation.setLocaleOverride", {"locale": self._params.locale}
        if self._params.timezone:
            yield "Emulation.setTimezoneOverride", {"timezoneId": self._params.timezone}

    def _names(self) -> dict[str, Any]:
        """What the visitor calls itself. Client hints that are not sent cannot contradict a caller's User-Agent."""
        if self._params.user_agent:
            return {"userAgent": self._identity.signed(self._params.user_agent)}
        system, device = self._system, self._device
        names: dict[str, Any] = {"userAgent": self._identity.user_agent(system.agent), "platform": system.platform}
        if system.hints:
            form, model = (device.form, device.model) if device else ("Desktop", "")
            names["userAgentMetadata"] = self._identity.client_hints(system.hints, form, model)
        return names

    def _languages(self) -> Iterable[str]:
        """The languages that a visitor accepts, the best first, as Chrome sets them up. It sends them with weights."""
        if self._params.locale is None:
            return LANGUAGES
        language = self._params.locale.partition("-")[0]
        return dict.fromkeys((self._params.locale, *((language,) if language != "en" else ()), *LANGUAGES))

    def metrics(self, width: int, height: int) -> dict[str, Any]:
        """The window, in CSS pixels, and the screen, which is at least as large as the page's own window."""
        params, mobile = self._params, self._system.mobile
        upright = params.width < params.height
        sides = (self._device.width, self._device.height) if self._device else SCREEN
        if mobile and upright != (sides[0] < sides[1]):
            sides = sides[1], sides[0]
        turned = {"type": "portraitPrimary", "angle": 0} if upright else {"type": "landscapePrimary", "angle": 90}
        return {
            "width": width,
            "height": height,
            "deviceScaleFactor": params.scale,
            "mobile": mobile,
            "screenWidth": max(params.width, sides[0]),
            "screenHeight": max(params.height, sides[1]),
        } | ({"screenOrientation": turned} if mobile else {})

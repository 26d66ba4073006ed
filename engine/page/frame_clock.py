"""Gives a page its frames and its time: two seconds of its own time take some 30 milliseconds.

Chromium draws only the frames that are asked for (`HeadlessExperimental.beginFrame`), and after the first grant
(`Emulation.setVirtualTimePolicy`) the page's clock moves only as granted. https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any

from engine.devtools.connection import ProtocolError, Session
from engine.page.clock import PUMP_SECONDS, NoFrame

# Milliseconds of page time between the frames of a page at rest. Each frame costs some milliseconds of real time.
STEPS = (34.0, 133.0, 333.0, 750.0)
FRAME = 1000 / 60  # milliseconds between the frames of a page that moves
LOADED_FRAMES = 2  # they show what has loaded; whatever is new in later ones moves
LAST_FRAMES = 2
LATE_BURSTS = 3  # for a page that still moves when its time is over
LEAST_TICK = 0.1
BURST = 10  # frames of a page that moves or asks for frames
ENDLESS = 6  # looks at a page that asks for frames at each: some fifty frames
NO_SCRIPT, IDLE_PERIODS = -1, 2  # of what `scripts.REQUESTED` returns
TURN_SECONDS = 0.25  # after which a slow frame no longer keeps the other pages waiting
# A request stops the clock of a page for 0.3 s of real time. For 0.6 s after that, page time passes at its real pace.
STOPPED_SECONDS, SLOWED_SECONDS, SLICE_MS = 0.3, 0.6, 100.0
STALLED_SECONDS = 1
BUSY_SECONDS, ANSWER_SECONDS = 1.2, 0.3  # a page that takes longer for a frame or a grant, and for an answer, is busy
DRAWING_SECONDS = 0.005
# A page with tasks without end uses up its grant all the same. With few tasks, time would pass before the work is done.
STARVATION = 10_000
WAIT_FOR_NETWORK, IGNORE_NETWORK = "pauseIfNetworkFetchesPending", "advance"


class FrameClock:
    """Frames and time under control. A frame needs the browser's `turn`: two at a time disturb each other."""

    def __init__(
        self,
        session: Session,
        turn: asyncio.Lock,
        is_replaced: Callable[[], bool],
        others: Callable[[], Iterable[Session]] = tuple,
        ask: Callable[[], asyncio.Future[dict[str, Any]] | None] = lambda: None,
    ) -> None:
        """No frame is asked for while the document is being replaced, which `is_replaced` tells.

        `others` are the sessions of frames that have a process, and so a clock, of their own. `ask` sends
        `scripts.REQUESTED` to the page, if that can answer.
        """
        self._session = session
        self._turn = turn
        self._is_replaced = is_replaced
        self._others = others
        self._ask = ask
        self._late: dict[Session, asyncio.Future[None]] = {}  # until when they use up their last grant
        self._drawing: asyncio.Future[dict[str, Any]] | None = None  # the last frame, perhaps not answered yet
        self._base: float | None = None  # milliseconds, the page's clock at the first grant
        self._passed = 0.0  # milliseconds granted since
        self._ticks = 0.0  # of the last frame
        self._network_until = 0.0
        self._slowed_until = 0.0  # by a request under way
        self._waited = 0.0  # seconds, for requests

    def wait_for_network(self, until: float) -> None:
        self._network_until = until

    def require_real_time(self) -> None:
        raise NoFrame("the page's time is its own")

    @property
    def stalled(self) -> bool:
        return self._waited > STALLED_SECONDS

    async def is_waiting(self) -> bool:
        self._passed += LEAST_TICK
        until = asyncio.get_running_loop().time() + ANSWER_SECONDS
        return not await self._spend(WAIT_FOR_NETWORK, LEAST_TICK, until)

    async def advance(self, milliseconds: float, until: float, is_over: Callable[[], bool]) -> None:
        now, end, number = asyncio.get_running_loop().time, self._passed + milliseconds, 0
        if self._base is None:
            await self._grant(1, until)
        moves, requested, step, spare = False, 0, 0.0, STEPS[-1]
        while self._passed < end and now() < until and not is_over():
            if moves or requested > 0:
                moves = await self._burst(until, is_over, drawn=requested == IDLE_PERIODS)
                requested = await _number(self._ask(), requested)
                continue
            asking = self._ask() if requested != NO_SCRIPT else None
            moves = await self._draw(until, drawn=number > 0) and number >= LOADED_FRAMES
            requested = await _number(asking, requested)
            if requested > 0:  # during the last step: the frames that it has cost the page come at the end
                end, spare = end + min(step, spare), spare - min(step, spare)
            step = FRAME if requested > 0 else STEPS[min(number, len(STEPS) - 1)]
            await self._grant(min(step, end - self._passed), until)
            number += 1
        await self._finish(until, is_over)

    async def _finish(self, until: float, is_over: Callable[[], bool]) -> None:
        """Show what the last grant has brought, and what that brings: an image of a new style, the end of a motion."""
        now = asyncio.get_running_loop().time
        for _ in range(LAST_FRAMES):
            if is_over() or now() >= until:
                return
            moves = await self._draw(until, drawn=True)
            await self._grant(FRAME, until)
            if not moves:
                return
        for _ in range(LATE_BURSTS):
            if not moves or is_over() or now() >= until:
                return
            moves = await self._burst(until, is_over)

    async def _burst(self, until: float, is_over: Callable[[], bool], *, drawn: bool = False) -> bool:
        """Grant some frames as a screen would, and draw the last one at least. Returns whether that showed anything new.

        Only frames that are drawn are followed by an idle period.
        """
        damaged = False
        for number in range(BURST):
            if is_over() or asyncio.get_running_loop().time() >= until:
                break
            damaged = await self._draw(until, drawn=drawn or number == BURST - 1)
            await self._grant(FRAME, until)
        return damaged

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        return _beside(self._run())

    def drawing(self) -> contextlib.AbstractAsyncContextManager[None]:
        return _beside(self._draw_on())

    async def screenshot(self, within: float, options: dict[str, Any]) -> str | memoryview | None:
        """Raises NoFrame."""
        until = asyncio.get_running_loop().time() + within
        for _ in range(5):  # a frame that brought nothing new has no picture
            answer = await self._frame(until, screenshot=options)
            if "screenshotData" in answer:
                return answer["screenshotData"]  # type: ignore[no-any-return]
            self._passed += FRAME
        raise NoFrame

    async def _run(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(PUMP_SECONDS)
            if not self._is_replaced():
                with contextlib.suppress(ProtocolError):
                    await self._frame(now() + 1, noDisplayUpdates=self._base is None)
                    if self._base is not None:
                        await self._grant(PUMP_SECONDS * 1000, now() + 1)

    async def _draw_on(self) -> None:
        while True:
            with contextlib.suppress(ProtocolError):
                await self._frame(asyncio.get_running_loop().time() + 1)
            self._passed += FRAME
            await asyncio.sleep(DRAWING_SECONDS)

    async def _draw(self, until: float, *, drawn: bool) -> bool:
        """Ask for a frame, and return whether it showed anything new. Raises NoFrame if the page is too busy for it."""
        if self._is_replaced():
            return False
        params = {} if drawn else {"noDisplayUpdates": True}
        latest = max(until, asyncio.get_running_loop().time() + BUSY_SECONDS)
        try:
            return bool((await self._frame(latest, **params))["hasDamage"])
        except NoFrame:
            if self._others():  # they can keep the page from ever drawing again
                raise
            await self._require_idle()
            return False

    async def _frame(self, until: float, **params: Any) -> dict[str, Any]:
        """Ask for a frame and wait for its answer. Raises NoFrame if there is none by `until` on the loop's clock."""
        now = asyncio.get_running_loop().time
        if self._drawing and not self._drawing.done():
            await asyncio.wait([self._drawing], timeout=max(0, until - now()))
            if not self._drawing.done():
                raise NoFrame
        if self._base is not None:
            # A second frame for the same moment is never answered.
            self._ticks = max(self._base + self._passed, self._ticks + LEAST_TICK)
            params |= {"frameTimeTicks": self._ticks, "interval": FRAME}
        async with self._turn:
            self._drawing = self._session.send("HeadlessExperimental.beginFrame", **params)
            await asyncio.wait([self._drawing], timeout=max(0, min(TURN_SECONDS, until - now())))
        await asyncio.wait([self._drawing], timeout=max(0, until - now()))
        if not self._drawing.done():
            raise NoFrame
        try:
            return self._drawing.result()
        except ProtocolError as err:
            raise NoFrame from err

    async def _grant(self, milliseconds: float, until: float) -> None:
        """Let page time pass. A request under way stops the clock for a moment, and then slows it down to real time.

        Raises NoFrame if the page waits for its clock inside a task: that clock stands still meanwhile.
        """
        now = asyncio.get_running_loop().time
        self._passed += milliseconds
        pause = min(until, self._network_until, now() + STOPPED_SECONDS)
        if self._slowed_until < now() < pause:
            if await self._spend(WAIT_FOR_NETWORK, milliseconds, pause):
                return
            self._slowed_until = now() + SLOWED_SECONDS
        left = milliseconds
        while left > 0 and now() < until:
            slice_, began = min(left, SLICE_MS), now()
            if not await self._spend(IGNORE_NETWORK, slice_, until):
                await self._require_idle()
            left -= slice_
            if began < self._network_until:
                self._waited += slice_ / 1000
                await self._session.pause(max(0, slice_ / 1000 - (now() - began)))

    async def _spend(self, policy: str, milliseconds: float, until: float) -> bool:
        """Grant page time, and return whether it was used up before `until`."""
        now = asyncio.get_running_loop().time
        sessions = (self._session, *filter(self._is_in_time, self._others()))
        spent = [_spent(session) for session in sessions]
        granted = [
            session.send(
                "Emulation.setVirtualTimePolicy",
                policy=policy,
                budget=milliseconds,
                maxVirtualTimeTaskStarvationCount=STARVATION,
            )
            for session in sessions
        ]
        end = min(until, now() + BUSY_SECONDS)
        await asyncio.wait(granted[:1], timeout=end - now())
        if granted[0].done() and self._base is None:
            self._base = granted[0].result()["virtualTimeTicksBase"]
        await asyncio.wait(spent, timeout=max(0, end - now()))
        if spent[0].done():
            spent[0].result()
            if policy == IGNORE_NETWORK:
                self._late |= dict(zip(sessions, spent, strict=True))
        return all(each.done() for each in spent)

    def _is_in_time(self, other: Session) -> bool:
        """Return whether a frame with a clock of its own has used up its last grant: a busy one is not waited for."""
        return other not in self._late or self._late[other].done()

    async def _require_idle(self) -> None:
        """Raise NoFrame if the page does not answer, though the browser itself does."""
        page, browser = (
            self._session.send("Runtime.evaluate", expression="0"),
            self._session.send("Target.getTargetInfo"),
        )
        await asyncio.wait([page, browser], timeout=ANSWER_SECONDS)
        if browser.done() and not page.done() and not self._is_replaced():
            raise NoFrame("the page is busy")


async def _number(asking: asyncio.Future[dict[str, Any]] | None, otherwise: int) -> int:
    """Return the number that the page answers, 0 if it does not answer at once, or `otherwise` if it was not asked."""
    if asking is None:
        return otherwise
    with contextlib.suppress(ProtocolError, TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            return int((await asking)["result"].get("value") or 0)
    return 0


def _spent(session: Session) -> asyncio.Future[None]:
    """Return a future that is done when `session` has used up the time that it is granted next."""
    spent = session.new_future()
    session.on("Emulation.virtualTimeBudgetExpired", lambda _: None if spent.done() else spent.set_result(None))
    return spent


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do endless `work` during the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])

"""The outlet of an engine on an internal network: by itself, and between real processes."""

import asyncio
import errno
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from engine.config import EngineSettings
from engine.egress import socks
from engine.egress.gate import Gate, Limits
from engine.egress.proxy import ConnectionFailure, Egress
from engine.egress.socks import RESOLVE, Destination, Reply
from engine.egress.upstream import Upstream, UpstreamSession
from engine.errors import ProxyFailed, ResolverBusy
from engine.outlet.server import LIMITS, SESSION_SECONDS, Outlet
from engine.traffic import Traffic
from netguard import Guard, Verdict, exemptions
from tests.engine.conftest import small_engine
from tests.engine.page.test_hostile_pages import failure
from tests.engine.page.test_options import GREEN, body, colour
from tests.support.engine import Engine, eventually, running_engine
from tests.support.loop import in_loop, until
from tests.support.proxy import GREETING, PUBLIC, Proxy, Resolver, World, ipv4, ipv6, name, refused
from tests.support.site import Site

SITE = Destination("example.com", 80)
HOLD = b"\x05\xf2\x00\x01" + bytes(6)


class Chain:
    """An outlet with the test's resolver and sites, and an engine's proxy and gate that use it."""

    def __init__(self, world: World, outlet: Outlet, server: asyncio.Server, guard: Guard) -> None:
        self.world, self.outlet, self.server = world, outlet, server
        self.upstream = Upstream(*server.sockets[0].getsockname())
        self.gate = Gate(guard, 1, upstream=self.upstream)
        self.traffic = Traffic()
        self.egress = Egress(self.gate, self.traffic)
        self.served: list[asyncio.StreamWriter] = []

    async def open(self, listener: socket.socket) -> None:
        await self.egress.open(listener)
        self.browser = Proxy(self.egress, self.gate, self.world, self.traffic)
        # A client in the place of the engine, which follows none of its rules.
        self.stranger = Proxy(self.egress, self.gate, self.world, self.traffic)
        self.stranger.url = f"socks5://{self.upstream.host}:{self.upstream.port}"
        self.session = await self.upstream.open_session()
        self.world.streams.append(self.session.stream)
        self.stranger.greeting, self.stranger.greeted = socks.greeting_with_user(self.session.user), socks.USER_ACCEPTED

    async def lookup(self, destination: Destination = SITE) -> list[str]:
        return await asyncio.to_thread(self.upstream.lookup, destination)

    async def die(self) -> None:
        """Cut all connections, as the end of a killed process does."""
        self.server.close()
        for writer in self.served:
            writer.transport.abort()


@asynccontextmanager
async def chain(
    lookup: Callable[[str], Iterable[str]] | None = None,
    *,
    connections: int = 99,
    limits: Limits | None = None,
    lenient: bool = False,
    **rules: Any,
) -> AsyncIterator[Chain]:
    """Run a chain. With a `lenient` engine only the outlet refuses anything."""
    world = World()
    guard = Guard(lookup=lookup or Resolver(), **rules)
    outlet = Outlet(Gate(guard, 1, limits, world.connect), connections)
    site = await asyncio.start_server(world.echo, "127.0.0.1", 0)
    world.port = site.sockets[0].getsockname()[1]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.served.append(writer)
        await outlet.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    ours = Guard(exempt=exemptions(["0.0.0.0/0"])) if lenient else Guard(**rules)
    running = Chain(world, outlet, server, ours)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        await running.open(listener)
        try:
            yield running
        finally:
            await running.egress.close()
            await running.die()
            site.close()
            for _, writer in world.streams:
                writer.transport.abort()
            await asyncio.sleep(0.01)  # the transports notify their protocols


@in_loop
async def test_a_page_reaches_its_site_through_proxy_and_outlet():
    async with chain() as running:
        code, (reader, writer) = await running.browser.ask(name("example.com"))
        assert code == Reply.GRANTED
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        assert running.world.dialled == [(PUBLIC, 80)]
        assert running.outlet.connections >= 1
        assert await running.egress.is_healthy()


@in_loop
async def test_a_look_up_returns_every_judged_address():
    answer = [PUBLIC, "2606:4700::1111", "93.184.216.35"]
    async with chain(Resolver(answer)) as running:
        assert await running.lookup() == answer
        assert (await running.gate.admit(SITE)).addresses[1].version == 6


@in_loop
async def test_a_name_is_looked_up_once_and_the_address_that_was_judged_is_dialled():
    resolver = Resolver([PUBLIC], ["127.0.0.1"])
    async with chain(resolver) as running:
        running.egress._known = {SITE: await running.gate.admit(SITE)}
        for _ in range(2):
            assert (await running.browser.ask(name("example.com")))[0] == Reply.GRANTED
        assert (resolver.asked, running.world.dialled) == (["example.com"], [(PUBLIC, 80)] * 2)
        await refused(running.browser, name("example.com", 443))
        assert len(running.world.dialled) == 2


@pytest.mark.parametrize("answer", [["127.0.0.1"], [PUBLIC, "10.0.0.1"], [], OSError("SERVFAIL")])
@in_loop
async def test_a_name_with_any_address_that_is_not_public_does_not_resolve(
    answer: list[str] | OSError,
):
    async with chain(Resolver(answer)) as running:
        assert await running.lookup() == []
        assert (await running.gate.admit(SITE)).verdict is Verdict.UNRESOLVED
        await refused(running.stranger, name("example.com"))
        assert running.world.dialled == []


@pytest.mark.parametrize(
    "request_",
    [
        ipv4("127.0.0.1"),
        ipv4("169.254.169.254"),
        ipv4("10.0.0.1"),
        ipv6("::1"),
        ipv6("::ffff:127.0.0.1"),
        name("localhost"),
        name("metadata.google.internal"),
        ipv4(PUBLIC, 6379),
    ],
)
@pytest.mark.parametrize("command", [1, RESOLVE])
@in_loop
async def test_another_client_in_the_place_of_the_engine_is_refused_just_the_same(request_: bytes, command: int):
    resolver = Resolver()
    async with chain(resolver) as running:
        await refused(running.stranger, request_[:1] + bytes([command]) + request_[2:])
        assert (resolver.asked, running.world.dialled) == ([], [])


@in_loop
async def test_a_destination_that_only_the_outlet_refuses_is_refused_to_the_page():
    async with chain(lenient=True) as running:
        await refused(running.browser, ipv4("10.0.0.1"))
        assert running.traffic.refused == {"second_judge": 1}
        assert running.egress.failure_of("10.0.0.1", 80) is Verdict.PRIVATE
        assert (running.egress.alive, running.world.dialled) == (True, [])


@in_loop
async def test_a_bind_command_is_refused():
    async with chain() as running:
        assert (await running.stranger.ask(b"\x05\x02" + ipv4(PUBLIC)[2:]))[0] == Reply.BAD_COMMAND


@in_loop
async def test_an_exempt_name_may_be_dialled_only_at_its_resolved_addresses_and_its_port():
    rules = {"exempt": exemptions(["intranet.example:8080"]), "ports": frozenset({80, 8080})}
    async with chain(Resolver(["10.0.0.7"]), **rules) as running:
        await refused(running.stranger, ipv4("10.0.0.7", 8080))
        judgement = await running.gate.admit(Destination("intranet.example", 8080))
        assert judgement.verdict is Verdict.EXEMPT
        assert (await running.browser.ask(name("intranet.example", 8080)))[0] == Reply.GRANTED
        for other in (ipv4("10.0.0.7", 80), ipv4("10.0.0.8", 8080)):
            await refused(running.stranger, other)
        assert running.world.dialled == [("10.0.0.7", 8080)]


@in_loop
async def test_an_exempt_name_that_the_outlet_forgot_fails_the_capture_as_unavailable():
    site = Destination("intranet.example", 8080)
    async with chain(Resolver(["10.0.0.7"]), exempt=exemptions(["intranet.example:8080"])) as running:
        running.egress._known = {site: await running.gate.admit(site)}
        running.outlet._exempt.clear()  # as an outlet that restarted meanwhile has
        assert (await running.browser.ask(name(site.host, site.port)))[0] == Reply.FAILED
        assert (running.egress.alive, running.traffic.refused, running.world.dialled) == (False, {}, [])


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (ConnectionRefusedError(111, "refused"), ConnectionFailure.REFUSED),
        (OSError(113, "no route"), ConnectionFailure.UNREACHABLE),
        (TimeoutError(), ConnectionFailure.TIMED_OUT),
    ],
)
@in_loop
async def test_a_failed_connection_through_the_outlet_has_the_reason_of_a_direct_one(
    error: OSError, fate: ConnectionFailure
):
    async with chain() as running:
        running.world.failures[PUBLIC] = error
        assert (await running.browser.ask(name("example.com")))[0] == Reply.UNREACHABLE
        assert running.egress.failure_of("example.com", 80) is fate
        assert running.egress.alive


@in_loop
async def test_a_connection_to_a_silent_site_times_out():
    async with chain(limits=Limits(idle=0.1, first_byte=0.1)) as running:
        _, (reader, writer) = await running.stranger.ask(name("example.com"))
        writer.write(b"mute")
        assert await reader.read() == b""


@in_loop
async def test_an_answer_through_the_outlet_may_begin_later_than_an_idle_connection_ends():
    async with chain(limits=Limits(idle=0.1, first_byte=5)) as running:
        _, (reader, writer) = await running.stranger.ask(name("example.com"))
        writer.write(b"late")
        assert await reader.read(4) == b"late"


def test_the_outlet_is_more_patient_than_any_engine():
    (longest,) = [
        each.le for each in EngineSettings.model_fields["engine_first_byte_seconds"].metadata if hasattr(each, "le")
    ]
    assert longest < LIMITS.first_byte < SESSION_SECONDS


@in_loop
async def test_a_client_that_sends_no_request_is_disconnected():
    async with chain(limits=Limits(idle=0.1)) as running:
        reader, writer = await running.upstream.handshake(socks.GREETING, socks.GREETED)
        assert await reader.read() == b""
        writer.close()


@in_loop
async def test_connections_above_the_limit_are_closed_and_fail_the_capture():
    async with chain(connections=3) as running:  # two of them are sessions
        code, (_, writer) = await running.browser.ask(name(PUBLIC))
        assert code == Reply.GRANTED
        for asking in (running.upstream.open_session(), running.lookup(), running.gate.admit(SITE)):
            with pytest.raises(ProxyFailed):
                await asking
        assert running.egress.alive
        assert (await running.browser.ask(name(PUBLIC)))[0] == Reply.FAILED
        assert not running.egress.alive
        writer.close()
        await until(lambda: running.world.streams and len(running.world.dialled) == 1)


@in_loop
async def test_the_connections_of_a_capture_end_with_its_session_even_if_the_sites_read_nothing():
    """Each site is sent more than all buffers hold, so the outlet cannot see that its client has disconnected."""
    deaf = socket.create_server(("127.0.0.1", 0))
    rules = {"ports": frozenset({80}), "exempt": exemptions(["127.0.0.1"])}
    async with chain(connections=8, limits=Limits(idle=60), **rules) as running:
        with deaf:
            site, running.world.port = running.world.port, deaf.getsockname()[1]
            for _ in range(6):
                code, (_, writer) = await running.stranger.ask(ipv4("127.0.0.1"))
                assert code == Reply.GRANTED
                writer.write(bytes(16 << 20))
            await until(lambda: running.outlet._free == 0 and filled(running))
            with pytest.raises(ProxyFailed):
                await running.upstream.ping()
            running.session.stream[1].transport.abort()
            await until(lambda: running.outlet._free == 7)
            running.world.port = site
        assert (await running.browser.ask(name("example.com")))[0] == Reply.GRANTED


def filled(running: Chain) -> bool:
    """Return whether the buffers of all other connections are full."""
    writers = [writer for _, writer in running.world.streams if writer is not running.session.stream[1]]
    return all(writer.transport.get_write_buffer_size() for writer in writers)


@in_loop
async def test_a_connection_needs_an_open_session():
    async with chain() as running:
        with pytest.raises(ProxyFailed):
            await replace(running.session, user=b"somebody else").connect(PUBLIC, 80)
        ours = socks.greeting_with_user(running.session.user)
        for words in (GREETING + ipv4(PUBLIC), GREETING + HOLD, ours + HOLD, ours[:3] + b"\x05\x00"):
            reader, _ = await running.stranger.send(words)
            assert len(await reader.read()) in (2, 4)
        running.session.stream[1].close()
        await until(lambda: running.outlet._free == 98)
        with pytest.raises(ProxyFailed):
            await running.session.connect(PUBLIC, 80)
        with pytest.raises(ProxyFailed):
            await running.gate.dial((ip_address(PUBLIC),), 80)
        assert running.world.dialled == []


@in_loop
async def test_an_outlet_without_descriptors_fails_the_capture_but_reports_no_site_as_unreachable():
    async with chain() as running:
        running.world.failures[PUBLIC] = OSError(errno.EMFILE, "too many open files")
        assert (await running.browser.ask(name("example.com")))[0] == Reply.FAILED
        assert running.egress.failure_of("example.com", 80) is None
        assert not running.egress.alive


@in_loop
async def test_an_outlet_without_descriptors_reports_no_name_as_unresolved():
    async with chain(Resolver(OSError(errno.EMFILE, "too many open files"))) as running:
        with pytest.raises(ResolverBusy):
            await running.gate.admit(SITE)


@in_loop
async def test_a_name_that_finds_no_free_thread_fails_as_resolver_busy():
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hanging(_: str) -> list[str]:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)
        return [PUBLIC]

    async with chain(hanging, limits=Limits(lookup=0.1, lookups=1)) as running:
        for _ in range(2):
            assert await running.lookup() == []
        with pytest.raises(ResolverBusy):
            await running.lookup()
        release.set()


@in_loop
async def test_a_capture_fails_with_its_outlet_and_nothing_is_fetched_without_it():
    async with chain() as running:
        _, (reader, _) = await running.browser.ask(name("example.com"))
        assert running.egress.alive
        await running.die()
        assert await reader.read() == b""
        await until(lambda: not running.egress.alive)
        assert (await running.browser.ask(name(PUBLIC)))[0] == Reply.FAILED
        for asking in (running.gate.admit(SITE), running.session.connect(PUBLIC, 80)):
            with pytest.raises(ProxyFailed):
                await asking
        with pytest.raises(ProxyFailed):
            await Egress(running.gate, Traffic()).open(running.egress._listener)
        assert running.world.dialled == [(PUBLIC, 80)]


@pytest.mark.parametrize(
    "words", [b"", b"\x05", b"\x05\x00", b"\x05\x00\x05\x00\x00", b"\x05\x00" + b"\x05\x00\x00\x09" * 4]
)
@in_loop
async def test_an_outlet_that_answers_nonsense_has_failed(words: bytes):
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstream = Upstream(*server.sockets[0].getsockname())
    with pytest.raises(ProxyFailed):
        await asyncio.to_thread(upstream.lookup, SITE)
    with pytest.raises(ProxyFailed):
        await upstream.open_session()
    server.close()


@in_loop
async def test_an_outlet_that_does_not_answer_has_failed():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        upstream = Upstream(*listener.getsockname())
        with pytest.raises(ProxyFailed):
            await upstream.ping()
        with pytest.raises(ProxyFailed):
            await asyncio.to_thread(upstream.lookup, SITE)


@in_loop
async def test_a_capture_whose_outlet_hangs_fails_although_the_connection_is_open():
    async with chain(connections=2) as running:
        assert running.egress.alive
        assert not await running.egress.is_healthy()
        assert not running.egress.alive


@in_loop
async def test_an_outlet_that_hangs_is_not_mistaken_for_a_site_that_hangs():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        upstream = Upstream(*listener.getsockname())
        stream = await asyncio.open_connection(upstream.host, upstream.port)
        dialling = Gate(Guard(), 1, upstream=upstream).dial(
            (ip_address(PUBLIC),) * 4, 80, UpstreamSession(upstream, b"somebody", stream)
        )
        with pytest.raises(ProxyFailed):
            await dialling
        stream[1].close()


@in_loop
async def test_a_cancelled_connection_to_the_outlet_is_closed():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asking = asyncio.create_task(Upstream(*listener.getsockname()).ping())
        accepted, _ = await asyncio.to_thread(listener.accept)
        with accepted:
            assert await asyncio.to_thread(accepted.recv, 9) == b"\x05\x01\x00"
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert await asyncio.to_thread(accepted.recv, 9) == b""


def running_outlet(exempt: str, port: int = 0) -> AbstractContextManager[Engine]:
    return running_engine("engine.outlet", PRIVATE_TARGETS=exempt, ENGINE_PORT=port, LOG_LEVEL="DEBUG")


def address_of(outlet: Engine) -> str:
    return outlet.url.removeprefix("http://")


def test_captures_use_only_the_outlet(site: Site):
    url = site.add("/by-the-outlet", body("green"))
    exempt = f"{site.address},localhost:{site.port}"
    with (
        running_outlet(exempt) as outlet,
        small_engine(site, ENGINE_EGRESS=address_of(outlet), PRIVATE_TARGETS=exempt) as engine,
    ):
        assert colour(engine.capture(url)) == GREEN
        assert colour(engine.capture(url.replace("127.0.0.1", "localhost"))) == GREEN
        assert failure(engine.capture("http://10.0.0.1/"))[:2] == (400, "blocked_url")
        outlet.stop()
        known = len(site.requests)
        for host in ("127.0.0.1", "localhost"):
            assert failure(engine.capture(url.replace("127.0.0.1", host)))[:2] == (503, "unavailable")
        assert len(site.requests) == known
        with running_outlet(exempt, int(address_of(outlet).rpartition(":")[2])):
            assert colour(engine.capture(url)) == GREEN


def test_a_target_that_only_the_outlet_refuses_is_a_blocked_url(site: Site):
    url = site.add("/not-for-the-outlet", body("green"))
    with running_outlet("") as outlet, small_engine(site, ENGINE_EGRESS=address_of(outlet)) as engine:
        assert failure(engine.capture(url))[:2] == (400, "blocked_url")
        assert site.hits("/not-for-the-outlet") == 0
        (refusal,) = eventually(lambda: outlet.logged("refused"))
        assert (refusal["host"], refusal["verdict"]) == ("127.0.0.1", "port")


@pytest.mark.parametrize("what", [signal.SIGKILL, signal.SIGSTOP])
def test_a_capture_during_which_the_outlet_crashes_or_hangs_is_unavailable(site: Site, what: signal.Signals):
    part = f"/late-part-{what.name}.png"
    site.add(part, b"", gate=threading.Event())
    url = site.add(f"/half-fetched-{what.name}", body("green", f"<img src={part}>"))
    with (
        running_outlet(site.address) as outlet,
        small_engine(site, ENGINE_EGRESS=address_of(outlet), ENGINE_DEADLINE=6) as engine,
        ThreadPoolExecutor(1) as pool,
    ):
        capture = pool.submit(engine.capture, url)
        eventually(lambda: site.hits(part))
        outlet.process.send_signal(what)
        try:
            assert failure(capture.result())[:2] == (503, "unavailable")
        finally:
            outlet.process.send_signal(signal.SIGCONT)


def test_an_engine_whose_outlet_does_not_answer_starts_and_logs_a_warning(site: Site):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # but not listened on
        port = taken.getsockname()[1]
        with small_engine(site, ENGINE_EGRESS=f"127.0.0.1:{port}") as engine:
            (warning,) = eventually(lambda: engine.logged("the outlet of ENGINE_EGRESS does not answer"))
            assert (warning["level"], warning["port"]) == ("warning", port)

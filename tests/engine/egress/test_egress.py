"""The egress proxy by itself: what it allows, refuses and limits, and that no input breaks it."""

import asyncio
import contextlib
import errno
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.egress import socks
from engine.egress.gate import Gate, Limits
from engine.egress.listeners import Listeners, stop_listening
from engine.egress.proxy import GIVEN_UP_SECONDS, ConnectionFailure, Egress
from engine.egress.socks import Denied, Destination, Reply
from engine.errors import ProxyFailed, ResolverBusy, Unavailable
from engine.traffic import Traffic
from netguard import MOST_LOOKUPS, Guard, Verdict, exemptions
from tests.support.loop import in_loop, until
from tests.support.proxy import GREETING, PUBLIC, Resolver, ipv4, ipv6, name, refused, running_proxy


@in_loop
async def test_bytes_are_relayed_both_ways_and_counted():
    async with running_proxy() as proxy:
        code, (reader, writer) = await proxy.ask(name("example.com"))
        assert code == Reply.GRANTED
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        assert proxy.world.dialled == [(PUBLIC, 80)]
        assert proxy.traffic.summary() == {"connections": 1, "requests": None, "bytes": 10, "refused": {}}
        assert proxy.egress.failure_of("example.com", 80) is None
        assert await proxy.egress.is_healthy()


@pytest.mark.parametrize("second", ["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254"])
@in_loop
async def test_a_name_is_looked_up_once_and_the_address_that_was_judged_is_dialled(second: str):
    resolver = Resolver([PUBLIC], [second])
    async with running_proxy(resolver) as proxy:
        code, _ = await proxy.ask(name("rebind.example.com"))
        assert code == Reply.GRANTED
        assert resolver.asked == ["rebind.example.com"]
        assert proxy.world.dialled == [(PUBLIC, 80)]
        await refused(proxy, name("rebind.example.com"))
        assert len(resolver.asked) == 2
        assert proxy.world.dialled == [(PUBLIC, 80)]


@pytest.mark.parametrize(
    ("request_", "verdict"),
    [
        (ipv4("127.0.0.1"), Verdict.LOOPBACK),
        (ipv4("0.0.0.0"), Verdict.LOOPBACK),
        (ipv4("169.254.169.254"), Verdict.METADATA),
        (ipv6("::1"), Verdict.LOOPBACK),
        (ipv6("::ffff:127.0.0.1"), Verdict.EMBEDDED_IPV4),
        (ipv6("fd00:ec2::254"), Verdict.METADATA),
        (name("127.0.0.1"), Verdict.LOOPBACK),
        (name("::1"), Verdict.LOOPBACK),
        (name("LOCALHOST."), Verdict.LOCAL_NAME),
        (name("a..b"), Verdict.BAD_NAME),
        (name("\0"), Verdict.BAD_NAME),
        (name("example.com", 22), Verdict.PORT),
        (ipv4(PUBLIC, 6379), Verdict.PORT),
    ],
)
@in_loop
async def test_a_destination_is_refused_without_a_look_up(request_: bytes, verdict: Verdict):
    resolver = Resolver()
    async with running_proxy(resolver) as proxy:
        await refused(proxy, request_)
        assert proxy.traffic.refused == {verdict: 1}
        assert (resolver.asked, proxy.world.dialled) == ([], [])


@in_loop
async def test_without_a_network_every_destination_is_refused_without_a_look_up():
    resolver = Resolver()
    async with running_proxy(resolver, network=False, exempt=exemptions(["10.0.0.1"])) as proxy:
        for request in (name("example.com"), ipv4(PUBLIC), ipv4("10.0.0.1"), ipv6("2606:4700::1")):
            await refused(proxy, request)
        assert proxy.traffic.refused == {Verdict.NO_NETWORK: 4}
        assert proxy.egress.failure_of("example.com", 80) == Verdict.NO_NETWORK
        assert not Verdict.NO_NETWORK.ok
        assert (resolver.asked, proxy.world.dialled) == ([], [])
        assert await proxy.egress.is_healthy()


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (["127.0.0.1"], Verdict.LOOPBACK),
        ([PUBLIC, "10.0.0.1"], Verdict.PRIVATE),
        ([], Verdict.UNRESOLVED),
        (["nonsense"], Verdict.UNRESOLVED),
        ([PUBLIC] + [f"93.184.216.{n}" for n in range(40)], Verdict.UNRESOLVED),
        (OSError("SERVFAIL"), Verdict.UNRESOLVED),
        (UnicodeError("no name for this resolver"), Verdict.UNRESOLVED),
    ],
)
@in_loop
async def test_a_name_is_refused_for_its_addresses(answer: list[str] | Exception, verdict: Verdict):
    async with running_proxy(Resolver(answer)) as proxy:
        await refused(proxy, name("example.com"))
        assert proxy.egress.failure_of("EXAMPLE.com.", 80) == verdict
        assert proxy.world.dialled == []


@in_loop
async def test_an_exemption_applies_only_to_its_port():
    async with running_proxy(exempt=exemptions(["127.0.0.1:8080"]), ports=frozenset({80, 8080, 8081})) as proxy:
        assert (await proxy.ask(ipv4("127.0.0.1", 8080)))[0] == Reply.GRANTED
        await refused(proxy, ipv4("127.0.0.1", 8081))
        assert proxy.world.dialled == [("127.0.0.1", 8080)]


@in_loop
async def test_the_engine_itself_is_refused_despite_exemptions():
    rules = {"exempt": exemptions(["127.0.0.0/8", "10.255.255.1"]), "ports": frozenset({80, 8001})}
    async with running_proxy(Resolver(["127.0.0.1"]), **rules) as proxy:
        proxy.gate.refuse_own_port(8001)
        for request in (ipv4("127.0.0.1", 8001), ipv4("127.9.9.9", 8001), name("own.example.com", 8001)):
            await refused(proxy, request)
        assert (await proxy.ask(ipv4("127.0.0.1", 80)))[0] == Reply.GRANTED
        # The same port on another machine is not the engine's.
        assert (await proxy.ask(ipv4("10.255.255.1", 8001)))[0] == Reply.GRANTED
        assert proxy.traffic.refused == {Verdict.LOOPBACK: 3}


@in_loop
async def test_the_addresses_are_tried_in_turn():
    async with running_proxy(Resolver(["2606:4700::1", PUBLIC])) as proxy:
        proxy.world.failures["2606:4700::1"] = OSError(101, "Network is unreachable")
        assert (await proxy.ask(name("example.com")))[0] == Reply.GRANTED
        assert proxy.world.dialled == [("2606:4700::1", 80), (PUBLIC, 80)]


@pytest.mark.parametrize(
    ("failure", "fate"),
    [
        (ConnectionRefusedError(111, "refused"), ConnectionFailure.REFUSED),
        (OSError(113, "no route"), ConnectionFailure.UNREACHABLE),
        (PermissionError(1, "a firewall of this machine"), ConnectionFailure.UNREACHABLE),
        (TimeoutError(), ConnectionFailure.TIMED_OUT),
    ],
)
@in_loop
async def test_a_site_that_cannot_be_reached_is_remembered_with_the_reason(failure: OSError, fate: ConnectionFailure):
    async with running_proxy() as proxy:
        proxy.world.failures[PUBLIC] = failure
        code, _ = await proxy.ask(name("example.com", 443))
        assert code == Reply.UNREACHABLE
        assert proxy.egress.failure_of("example.com", 443) == fate
        assert proxy.traffic.refused == {}
        del proxy.world.failures[PUBLIC]
        assert (await proxy.ask(name("example.com", 443)))[0] == Reply.GRANTED
        assert proxy.egress.failure_of("example.com", 443) is None


@in_loop
async def test_connections_beyond_the_rate_are_refused_and_counted():
    async with running_proxy(limits=Limits(connection_burst=2, connection_rate=0.001)) as proxy:
        for _ in range(2):
            code, (_, writer) = await proxy.ask(name("example.com"))
            assert code == Reply.GRANTED
            writer.close()
        await until(lambda: not proxy.egress._handlers)
        await refused(proxy, name("example.com"))
        assert proxy.traffic.refused == {"too_many_connections": 1}
        assert proxy.egress.parts_missing == 1
        assert proxy.egress.failure_of("example.com", 80) == ConnectionFailure.LIMIT_EXCEEDED


@in_loop
async def test_any_number_of_connections_may_follow_each_other_at_the_rate():
    async with running_proxy(limits=Limits(connection_burst=1, connection_rate=10_000)) as proxy:
        for _ in range(30):
            code, (_, writer) = await proxy.ask(name("example.com"))
            assert code == Reply.GRANTED
            writer.close()
        assert proxy.egress.parts_missing == 0


@in_loop
async def test_connections_beyond_the_limit_wait_until_others_end():
    async with running_proxy(limits=Limits(connections=2)) as proxy:
        silent = [await proxy.send(b"") for _ in range(2)]
        await until(lambda: len(proxy.egress._handlers) == 2)
        asking = [asyncio.create_task(proxy.ask(name("example.com"))) for _ in range(4)]
        _, waiting = await asyncio.wait(asking, timeout=0.1)
        assert len(waiting) == 4
        silent[0][1].close()
        for asked in asyncio.as_completed(asking):  # one after the other
            code, (_, writer) = await asked
            assert (code, len(proxy.egress._handlers)) == (Reply.GRANTED, 2)
            writer.close()
        assert proxy.traffic.refused == {}


@in_loop
async def test_bytes_beyond_the_rate_come_later_and_all_of_them():
    async with running_proxy(limits=Limits(byte_burst=1000, byte_rate=50_000)) as proxy:
        streams = [(await proxy.ask(name("example.com")))[1] for _ in range(2)]
        for _, writer in streams:
            writer.write(b"x" * 4000)
        for reader, _ in streams:
            assert await reader.readexactly(4000) == b"x" * 4000
        assert (proxy.traffic.bytes, proxy.egress.parts_missing) == (16_000, 0)


@in_loop
async def test_connections_that_still_wait_for_the_rate_at_the_end_are_counted():
    async with running_proxy(limits=Limits(byte_burst=1000, byte_rate=0.1)) as proxy:
        for _ in range(3):
            _, (_, writer) = await proxy.ask(name("example.com"))
            writer.write(b"x" * 700)
        await until(lambda: proxy.egress.parts_missing == 3)
        assert proxy.traffic.bytes <= 1000
        await proxy.egress.close()
        assert proxy.traffic.refused == {"too_many_bytes": 3}


@in_loop
async def test_a_silent_connection_times_out():
    async with running_proxy(limits=Limits(idle=0.1, first_byte=0.1)) as proxy:
        _, (reader, writer) = await proxy.ask(name("example.com"))
        writer.write(b"mute")
        assert await reader.read() == b""
        assert proxy.egress.failure_of("example.com", 80) == ConnectionFailure.SILENT


@pytest.mark.parametrize("before", [[], [b"an earlier request"], [b"ClientHello", b"Finished"]])
@in_loop
async def test_an_answer_may_begin_later_than_an_idle_connection_ends(before: list[bytes]):
    """However much has passed before: a handshake of TLS, or an earlier request of the same connection."""
    async with running_proxy(limits=Limits(idle=0.1, first_byte=5)) as proxy:
        _, (reader, writer) = await proxy.ask(name("example.com"))
        for said in before:
            writer.write(said)
            assert await reader.readexactly(len(said)) == said
        writer.write(b"late")
        assert await reader.read(4) == b"late"


@in_loop
async def test_a_part_that_holds_up_a_document_gets_no_more_time_than_an_idle_connection():
    async with running_proxy(limits=Limits(idle=0.1, first_byte=60)) as proxy:
        _, (reader, writer) = await proxy.ask(name("example.com"))
        writer.write(b"mute")
        await until(lambda: proxy.traffic.bytes)
        proxy.traffic.is_held_up = lambda: True
        assert await reader.read() == b""


@in_loop
async def test_a_document_may_answer_late_although_the_one_before_it_has_given_up_its_parts():
    async with running_proxy(limits=Limits(first_byte=25)) as proxy:
        proxy.traffic.has_given_up, proxy.traffic.is_held_up = True, lambda: True
        assert proxy.egress._patience() == GIVEN_UP_SECONDS
        proxy.traffic.is_held_up = lambda: False  # it is being replaced
        assert proxy.egress._patience() == 25


@in_loop
async def test_a_site_that_answers_and_falls_silent_is_no_failure():
    async with running_proxy(limits=Limits(idle=0.1, first_byte=0.1)) as proxy:
        _, (reader, writer) = await proxy.ask(name("example.com"))
        writer.write(b"hello")
        assert await reader.read() == b"hello"
        assert proxy.egress.failure_of("example.com", 80) is None


@in_loop
async def test_a_site_that_disconnects_ends_the_connection():
    async with running_proxy() as proxy:
        _, (reader, writer) = await proxy.ask(name("example.com"))
        writer.write(b"bye")
        assert await reader.read() == b""


@in_loop
async def test_what_a_site_sends_before_it_resets_the_connection_arrives():
    async with running_proxy() as proxy:
        _, (reader, writer) = await proxy.ask(name("example.com"))
        writer.write(b"reset")
        assert await reader.read() == b"reset"


@pytest.mark.parametrize("looks", [[False], [True, True, False]])
@in_loop
async def test_the_browser_learns_of_an_end_when_the_document_is_there(looks: list[bool]):
    async with running_proxy() as proxy:
        left = iter(looks)
        proxy.traffic.is_arriving = lambda: next(left)
        _, (reader, writer) = await proxy.ask(name("example.com"))
        writer.write(b"bye")
        assert await reader.read() == b""
        assert list(left) == []


@in_loop
async def test_a_look_up_that_times_out_gives_no_address():
    late = threading.Event()
    async with running_proxy(lambda _: late.wait(5) and [PUBLIC], Limits(lookup=0.05)) as proxy:
        await refused(proxy, name("slow.example.com"))
        assert proxy.traffic.refused == {Verdict.UNRESOLVED: 1}
        late.set()


@in_loop
async def test_the_look_ups_of_a_capture_are_limited_and_late_ones_count():
    release, asked = threading.Event(), []

    def slow(host: str) -> list[str]:
        asked.append(host)
        release.wait(10)
        return [PUBLIC]

    async with running_proxy(slow, Limits(lookup=0.05, lookups=2)) as proxy:
        hosts = [name(f"{n}.example.com") for n in range(4)]
        asking = [asyncio.create_task(proxy.ask(host)) for host in hosts]
        done, waiting = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 2:
            more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            done |= more
        assert len(asked) == 2  # the other two wait for a thread, not for an answer
        release.set()
        codes = sorted([(await asked_for)[0] for asked_for in asking])
        assert codes == [Reply.GRANTED, Reply.GRANTED, Reply.NOT_ALLOWED, Reply.NOT_ALLOWED]


@contextlib.contextmanager
def without_descriptors() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class Hanging:
    """A resolver in which names of example.net hang until `go_on` is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go_on = threading.Event()

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        if host.endswith("example.net"):
            self.go_on.wait(10)
        return [PUBLIC]


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    resolver = Hanging()
    yield resolver
    resolver.go_on.set()


@in_loop
async def test_targets_that_hang_in_look_up_do_not_make_other_names_unresolved(hanging: Hanging):
    gate = Gate(Guard(lookup=hanging), 1, Limits(lookup=0.2, target_lookups=40))
    asking = [asyncio.create_task(gate.admit(Destination(f"{n}.example.net", 80))) for n in range(40)]
    await until(lambda: len(hanging.asked) == 40)
    with pytest.raises(ResolverBusy):
        await gate.admit(Destination("example.com", 80))
    assert (await gate.admit(Destination(PUBLIC, 80))).ok  # no name, no look-up
    # Look-ups of pages have threads of their own.
    assert (await gate.judge(Destination("example.com", 80), gate.lookup_slots())).ok
    assert {(await judging).verdict for judging in asking} == {Verdict.UNRESOLVED}
    with pytest.raises(ResolverBusy):  # timed out, but still running
        await gate.admit(Destination("example.com", 80))
    hanging.go_on.set()
    await until(lambda: gate._target_lookups._free._value == 40)
    assert (await gate.admit(Destination("example.com", 80))).ok


@in_loop
async def test_answers_that_are_known_are_judged_without_a_thread(hanging: Hanging):
    """The event loop serves all pages, so it must not wait for the guard's threads if no look-up is needed."""
    guard = Guard(lookup=hanging)
    with ThreadPoolExecutor(MOST_LOOKUPS) as pool:
        for n in range(MOST_LOOKUPS):
            pool.submit(guard.judge, f"{n}.example.net", 80)
        await until(lambda: len(hanging.asked) == MOST_LOOKUPS)
        judgement = await Gate(Guard(lookup=lambda _: [PUBLIC]), 1).admit(Destination("example.com", 80))
        hanging.go_on.set()
    assert judgement.verdict is Verdict.PUBLIC


@in_loop
async def test_the_time_out_of_a_look_up_runs_from_its_own_start():
    """Two look-ups that each take more than half the time-out share one thread."""
    gate = Gate(Guard(lookup=lambda _: time.sleep(1.2) or [PUBLIC]), 1, Limits(lookup=2, target_lookups=1))
    judging = [gate.admit(Destination(f"{n}.example.com", 80)) for n in range(2)]
    assert [judgement.verdict for judgement in await asyncio.gather(*judging)] == [Verdict.PUBLIC] * 2


@in_loop
async def test_a_page_whose_look_up_finds_no_free_thread_fails_as_busy(hanging: Hanging):
    async with running_proxy(hanging, Limits(lookup=0.1, lookups=1)) as proxy:
        # Look-ups of two captures that have ended, but whose names still hang.
        for n in range(2):
            await proxy.gate.judge(Destination(f"{n}.example.net", 80), proxy.gate.lookup_slots())
        code, _ = await proxy.ask(name("example.com"))
        assert code == Reply.FAILED
        assert proxy.egress.failure_of("example.com", 80) == ConnectionFailure.BUSY
        assert proxy.traffic.refused == {"resolver_busy": 1}
        hanging.go_on.set()
        await until(lambda: proxy.gate._page_lookups._free._value == 2)
        assert (await proxy.ask(name("example.com")))[0] == Reply.GRANTED


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
@in_loop
async def test_a_look_up_without_a_descriptor_does_not_make_a_name_unresolved(number: int):
    async with running_proxy(Resolver(OSError(number, "too many open files"))) as proxy:
        with pytest.raises(ResolverBusy):
            await proxy.gate.admit(Destination("example.com", 80))
        assert (await proxy.ask(name("example.com")))[0] == Reply.FAILED
        assert proxy.egress.failure_of("example.com", 80) == ConnectionFailure.BUSY


@in_loop
async def test_a_look_up_without_a_thread_does_not_make_a_name_unresolved(monkeypatch):
    resolver = Resolver([PUBLIC])
    gate = Gate(Guard(lookup=resolver), 1, Limits(target_lookups=1))
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
        for _ in range(2):
            with pytest.raises(ResolverBusy):
                await gate.admit(Destination("example.com", 80))

    assert (await gate.admit(Destination("example.com", 80))).ok
    assert resolver.asked == ["example.com"], "and nothing that was given up comes back"


@in_loop
async def test_a_connection_without_a_descriptor_fails_the_capture_but_does_not_make_the_site_unreachable():
    async with running_proxy(Resolver([PUBLIC, "93.184.216.35"])) as proxy:
        proxy.world.failures[PUBLIC] = OSError(errno.EMFILE, "too many open files")
        assert (await proxy.ask(name("example.com")))[0] == Reply.FAILED
        assert proxy.egress.failure_of("example.com", 80) is None
        assert not await proxy.egress.is_healthy()


@in_loop
async def test_without_descriptors_an_address_is_not_taken_for_another_machines():
    gate = Gate(Guard(), 1)
    assert (await gate.admit(Destination(PUBLIC, 80))).ok
    with without_descriptors(), pytest.raises(ProxyFailed):
        await gate.admit(Destination(PUBLIC, 80))


@in_loop
async def test_a_judged_target_is_dialled_without_another_look_up():
    resolver = Resolver([PUBLIC], ["127.0.0.1"])
    async with running_proxy(resolver) as proxy:
        known = Destination("example.com", 80)
        proxy.egress._known = {known: await proxy.gate.admit(known)}
        for _ in range(3):
            assert (await proxy.ask(name("EXAMPLE.com.")))[0] == Reply.GRANTED
        assert resolver.asked == ["example.com"]
        await refused(proxy, name("example.com", 443))  # another port is another destination
        assert proxy.world.dialled == [(PUBLIC, 80)] * 3


@in_loop
async def test_a_bug_of_ours_fails_one_connection_and_not_the_proxy():
    def broken(_: str) -> list[str]:
        raise RuntimeError("a bug")

    async with running_proxy(broken) as proxy:
        reader, _ = await proxy.send(GREETING + name("example.com"))
        assert await reader.read() == b"\x05\x00"
        assert proxy.egress.alive


@in_loop
async def test_closing_cuts_every_connection():
    async with running_proxy(limits=Limits(byte_burst=1 << 40)) as proxy:
        _, (reader, _) = await proxy.ask(name("example.com"))
        _, (_, stuffed) = await proxy.ask(name("example.com"))
        stuffed.write(b"x" * (8 << 20))  # the echo is not read, so the proxy's buffers are full
        await until(lambda: proxy.traffic.bytes > 1 << 20)
        assert proxy.egress.alive
        await proxy.egress.close()
        assert not proxy.egress.alive
        assert await reader.read() == b""


@in_loop
async def test_a_second_closing_does_not_disturb_the_next_capture_on_the_same_listener():
    async with running_proxy() as proxy:
        await proxy.egress.close()
        listener = proxy.egress._listener
        listener.listen()
        next_one = Egress(proxy.gate, Traffic())
        await next_one.open(listener)
        proxy.url = next_one.url
        await proxy.egress.close()
        assert (await proxy.ask(name("example.com")))[0] == Reply.GRANTED
        await next_one.close()


@in_loop
async def test_a_proxy_without_descriptors_leaves_connections_in_the_queue_and_accepts_them_later():
    async with running_proxy() as proxy:
        faults: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["message"]))
        _, (_, first) = await proxy.ask(name("example.com"))
        with socket.socket() as client:
            client.setblocking(False)
            address = proxy.url.removeprefix("socks5://").split(":")
            with without_descriptors():
                await asyncio.get_running_loop().sock_connect(client, (address[0], int(address[1])))
                await until(lambda: faults)
            assert faults == ["the egress proxy cannot accept connections"]
            first.close()  # its descriptor is free again
            await asyncio.get_running_loop().sock_sendall(client, GREETING)
            assert await asyncio.get_running_loop().sock_recv(client, 2) == b"\x05\x00"
        assert await proxy.egress.is_healthy()


@in_loop
async def test_a_client_that_has_gone_before_it_is_accepted_does_no_harm():
    async with running_proxy() as proxy:
        proxy.egress._accept(proxy.egress._listener)
        assert (await proxy.ask(name("example.com")))[0] == Reply.GRANTED


@in_loop
async def test_the_proxy_does_not_wait_for_a_browser_that_closes_with_unread_bytes():
    async with running_proxy(limits=Limits(idle=0.2, first_byte=0.2, byte_burst=1 << 40)) as proxy:
        _, (_, writer) = await proxy.ask(name("example.com"))
        writer.write(b"x" * (8 << 20))
        await until(lambda: not proxy.egress._handlers)


def test_a_proxy_that_was_never_opened_is_not_alive():
    async def closed() -> bool:
        async with running_proxy() as proxy:
            other = Egress(proxy.gate, Traffic())
            await other.close()
            return other.alive

    assert asyncio.run(closed()) is False


@in_loop
async def test_a_proxy_that_cannot_listen_has_failed():
    async with running_proxy() as proxy:
        closed = bound()
        closed.close()
        with pytest.raises(ProxyFailed):
            await Egress(proxy.gate, Traffic()).open(closed)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b""),
        (b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", b""),
        (b"\x05\x01\x02", b"\x05\xff"),
        (b"\x05\x00", b"\x05\xff"),
        (GREETING + b"\x04\x01\x00\x01", b"\x05\x00"),
        (GREETING + b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", b"\x05\x00" + bytes(Reply.BAD_COMMAND)),
        (GREETING + b"\x05\x03\x00\x01\x7f\x00\x00\x01\x00\x50", b"\x05\x00" + bytes(Reply.BAD_COMMAND)),
        (GREETING + b"\x05\x01\x00\x02", b"\x05\x00" + bytes(Reply.BAD_ADDRESS)),
        (GREETING + b"\x05\x01\x00\x03\x02\xff\xff\x00\x50", b"\x05\x00" + bytes(Reply.BAD_ADDRESS)),
    ],
)
@in_loop
async def test_a_malformed_request_gets_no_connection(sent: bytes, answer: bytes):
    async with running_proxy() as proxy:
        reader, writer = await proxy.send(sent)
        try:
            assert await reader.read() == answer
        except ConnectionResetError:  # more was sent than was read
            assert answer == b""
        assert proxy.traffic.connections == 0
        writer.close()


@in_loop
async def test_a_client_that_sends_nothing_is_disconnected():
    async with running_proxy(limits=Limits(idle=0.1, first_byte=0.1)) as proxy:
        reader, _ = await proxy.send(b"\x05")
        assert await reader.read() == b""


def bound() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


@pytest.mark.parametrize("pool", [None, 1])
def test_a_listener_serves_one_capture_and_its_port_closes_with_it(pool: int | None):
    listeners = Listeners([bound()] if pool else None)
    ports = []
    for _ in range(2):
        with listeners.listen() as listener:
            ports.append(listener.getsockname()[1])
            queued = socket.create_connection(listener.getsockname())
        with queued, pytest.raises(ConnectionResetError):
            queued.recv(1)  # not kept for the next capture
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", ports[-1]))
    assert len(set(ports)) == 2
    listeners.close()


def test_a_listener_that_was_stopped_early_serves_the_next_capture():
    listeners = Listeners([bound()])
    with listeners.listen() as listener:
        stop_listening(listener)
    with listeners.listen() as listener, socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            client.sendall(b"hello")
            assert accepted.recv(5) == b"hello"
    listeners.close()


def test_where_a_listener_cannot_stop_listening_it_is_left_to_be_closed():
    listener = Mock(**{"getsockopt.return_value": 1, "shutdown.side_effect": OSError(errno.ENOTCONN, "as on macOS")})
    stop_listening(listener)

    listener.shutdown.side_effect = OSError(errno.EBADF, "any other error")
    with pytest.raises(OSError, match="any other error"):
        stop_listening(listener)


def test_a_closed_pool_closes_a_listener_when_its_capture_ends():
    listener = bound()
    listeners = Listeners([listener])
    with listeners.listen():
        with pytest.raises(Unavailable), listeners.listen():
            pass
        listeners.close()
        assert listener.fileno() != -1
    assert listener.fileno() == -1


def test_without_descriptors_there_is_no_listener():
    with without_descriptors(), pytest.raises(Unavailable), Listeners().listen():
        pass


class Deaf:
    def write(self, _: bytes) -> None:
        pass


COMMANDS = (socks.CONNECT, socks.RESOLVE, socks.HOLD)
REQUESTS = st.one_of(
    st.binary(max_size=400),
    st.builds(lambda rest: GREETING + rest, st.binary(max_size=400)),
    st.builds(
        lambda greeting, command, kind, rest: greeting + bytes([5, command, 0, kind]) + rest,
        st.sampled_from([GREETING, socks.greeting_with_user(b"somebody")]),
        st.sampled_from([*COMMANDS, 2]),
        st.integers(0, 255),
        st.binary(max_size=300),
    ),
    st.builds(lambda rest: b"\x05\x02\x00\x02\x01" + rest, st.binary(max_size=600)),
)


@given(REQUESTS, st.integers(1, 50), st.booleans())
def test_any_input_is_a_destination_or_denied(sent: bytes, size: int, users: bool):
    async def read() -> Destination | None:
        reader = asyncio.StreamReader()
        asking = asyncio.create_task(socks.accept(reader, Deaf(), *COMMANDS, users=users))
        for at in range(0, len(sent), size):
            reader.feed_data(sent[at : at + size])
            await asyncio.sleep(0)
        reader.feed_eof()
        try:
            return (await asyncio.wait_for(asking, 5)).destination
        except Denied:
            return None

    destination = asyncio.run(read())
    assert destination is None or (len(destination.host) <= 255 and 0 <= destination.port < 65536)


@settings(max_examples=60)  # each over a proxy of its own
@given(REQUESTS)
def test_after_any_input_the_proxy_still_serves_and_dials_only_judged_addresses(sent: bytes):
    async def survive() -> None:
        async with running_proxy() as proxy:
            _, writer = await proxy.send(sent)
            writer.close()
            code, _ = await asyncio.wait_for(proxy.ask(name("example.com")), 5)
            assert code == Reply.GRANTED
            assert all(ip_address(host).is_global for host, _ in proxy.world.dialled)

    asyncio.run(survive())


@pytest.mark.parametrize("turns", range(4))
def test_a_proxy_whose_opening_is_cancelled_serves_nothing(turns):
    async def open_and_go() -> list[object]:
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        egress = Egress(Gate(Guard(), 1), Traffic())
        with socket.create_server(("127.0.0.1", 0)) as listener:
            opening = asyncio.create_task(egress.open(listener))
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            await egress.close()
            for _ in range(20):
                await asyncio.sleep(0)
        assert not egress.alive
        return faults

    assert asyncio.run(open_and_go()) == []


@pytest.mark.parametrize("turns", range(12))
@in_loop
async def test_a_proxy_that_is_closed_at_any_moment_of_a_connection_leaves_no_descriptor(turns: int):
    """To accept, greet, judge, dial and answer takes several iterations of the loop each."""

    def held() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async with running_proxy() as proxy:
        before = held()
        host, port = proxy.egress.url.removeprefix("socks5://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(GREETING + ipv4(PUBLIC))
            for _ in range(turns):
                await asyncio.sleep(0)
            await proxy.egress.close()
            for _ in range(4):
                await asyncio.sleep(0)
            await until(lambda: held() == before + 1)  # the client's own socket

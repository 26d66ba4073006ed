"""Addresses, names, exemptions and the one look-up."""

import csv
import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

import netguard
from netguard import Exemption, Guard, Judgement, Verdict, exemptions, judge_address, judge_name, resolve
from tests.support.processes import wait_until

REGISTRIES = Path(__file__).parents[2] / "data"
SPECIAL, ALLOCATIONS = "iana-special-purpose-2026-07-18.csv", "iana-ipv6-unicast-2025-10-10.csv"


def rows(registry=SPECIAL):
    lines = [line for line in (REGISTRIES / registry).read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    return list(csv.DictReader(lines))


def ends_of(block):
    block = ip_network(block)
    return block.network_address, block.broadcast_address


@pytest.mark.parametrize("row", rows(ALLOCATIONS), ids=lambda row: row["block"])
def test_of_ipv6_only_the_allocations_of_the_regional_registries_are_public(row):
    of_a_registry = row["designation"] not in ("IANA", "6to4")
    assert [judge_address(end) is Verdict.PUBLIC for end in ends_of(row["block"])] == [of_a_registry] * 2


def test_an_ipv6_address_between_two_allocations_is_not_public():
    allocated = [ip_network(row["block"]) for row in rows(ALLOCATIONS) if row["designation"] not in ("IANA", "6to4")]
    beside = [end + step for block in allocated for end, step in zip(ends_of(block), (-1, 1), strict=True)]
    free = [address for address in beside if not any(address in block for block in allocated)]
    assert len(free) == 24
    assert {address for address in free if judge_address(address) is Verdict.PUBLIC} == set()


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["block"])
def test_no_address_of_the_special_purpose_registries_is_public(row):
    """Not even the few that are globally reachable: anycast services and translators host no web page."""
    block = ip_network(row["block"])
    middle = block.network_address + block.num_addresses // 2
    for address in (block.network_address, middle, block.broadcast_address):
        assert judge_address(address) is not Verdict.PUBLIC


def test_the_registries_are_all_there():
    assert (len(rows()), len(rows(ALLOCATIONS))) == (51, 41)


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        ("8.8.8.8", Verdict.PUBLIC),
        ("1.0.0.1", Verdict.PUBLIC),
        ("9.255.255.255", Verdict.PUBLIC),
        ("11.0.0.0", Verdict.PUBLIC),
        ("100.63.255.255", Verdict.PUBLIC),
        ("100.128.0.0", Verdict.PUBLIC),
        ("172.15.255.255", Verdict.PUBLIC),
        ("172.32.0.0", Verdict.PUBLIC),
        ("223.255.255.255", Verdict.PUBLIC),
        ("0.0.0.0", Verdict.LOOPBACK),
        ("127.0.0.1", Verdict.LOOPBACK),
        ("10.0.0.1", Verdict.PRIVATE),
        ("100.64.0.1", Verdict.SHARED),
        ("169.254.1.1", Verdict.LINK_LOCAL),
        ("169.254.169.254", Verdict.METADATA),
        ("168.63.129.16", Verdict.METADATA),
        ("224.0.0.251", Verdict.MULTICAST),
        ("255.255.255.255", Verdict.SPECIAL),
        ("2606:4700:4700::1111", Verdict.PUBLIC),
        ("2a00:1450:4001:81b::200e", Verdict.PUBLIC),
        ("2001:200::1", Verdict.PUBLIC),
        ("::1", Verdict.LOOPBACK),
        ("::", Verdict.LOOPBACK),
        ("fd00:ec2::254", Verdict.METADATA),
        ("fd12::1", Verdict.PRIVATE),
        ("fec0::1", Verdict.PRIVATE),
        ("fe80::1", Verdict.LINK_LOCAL),
        ("fe80::1%eth0", Verdict.ZONE),
        ("ff02::1", Verdict.MULTICAST),
        ("::ffff:8.8.8.8", Verdict.EMBEDDED_IPV4),
        ("::8.8.8.8", Verdict.EMBEDDED_IPV4),
        ("::ffff:0:8.8.8.8", Verdict.EMBEDDED_IPV4),
        ("64:ff9b::808:808", Verdict.EMBEDDED_IPV4),
        ("2002:808:808::1", Verdict.EMBEDDED_IPV4),
        ("2001::1", Verdict.EMBEDDED_IPV4),
        ("2a00:1450::5efe:808:808", Verdict.EMBEDDED_IPV4),
        ("2a00:1450::200:5efe:808:808", Verdict.EMBEDDED_IPV4),
        ("2410::1", Verdict.PUBLIC),
        ("2000::1", Verdict.SPECIAL),
        ("2420::1", Verdict.SPECIAL),
        ("3ffe::1", Verdict.SPECIAL),
        ("3fff:1000::1", Verdict.SPECIAL),
        ("4000::1", Verdict.SPECIAL),
        ("100::1", Verdict.SPECIAL),
        ("5f00::1", Verdict.SPECIAL),
    ],
)
def test_an_address_gets_its_named_verdict(address, verdict):
    assert judge_address(ip_address(address)) is verdict


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("example.com", Verdict.NEEDS_LOOKUP),
        ("a_b.example.com", Verdict.NEEDS_LOOKUP),
        ("localhost", Verdict.LOCAL_NAME),
        ("printer.local", Verdict.LOCAL_NAME),
        ("intranet", Verdict.LOCAL_NAME),
        ("box.home.arpa", Verdict.LOCAL_NAME),
        ("metadata.google.internal", Verdict.METADATA),
        ("metadata.goog", Verdict.METADATA),
        ("", Verdict.BAD_NAME),
        ("a..example.com", Verdict.BAD_NAME),
        ("exa,mple.com", Verdict.BAD_NAME),
        ("a" * 64 + ".example.com", Verdict.BAD_NAME),
        (".".join(["a" * 50] * 6), Verdict.BAD_NAME),
    ],
)
def test_a_name_gets_its_named_verdict(name, verdict):
    assert judge_name(name) is verdict


GUARD = Guard(exempt=exemptions(["127.0.0.1:9000", "[::1]:81", "10.0.0.0/8", "Wiki.Corp.", "intra:8080"]))


@pytest.mark.parametrize(
    ("host", "port", "verdict"),
    [
        ("127.0.0.1", 9000, Verdict.EXEMPT),
        ("127.0.0.1", 80, Verdict.LOOPBACK),
        ("[::1]", 81, Verdict.EXEMPT),
        ("10.9.8.7", 80, Verdict.EXEMPT),
        ("10.9.8.7", 81, Verdict.PORT),
        ("wiki.corp", 443, Verdict.EXEMPT),
        ("wiki.corp", 444, Verdict.PORT),
        ("intra", 8080, Verdict.EXEMPT),
        ("intra", 80, Verdict.LOCAL_NAME),
        ("localhost", 9000, Verdict.LOCAL_NAME),
        ("example.com", 9000, Verdict.NEEDS_LOOKUP),
        ("example.com", 22, Verdict.PORT),
        ("8.8.8.8", 443, Verdict.PUBLIC),
    ],
)
def test_exemptions_are_exact(host, port, verdict):
    assert GUARD.screen(host, port) is verdict


def guard_answering(*addresses, exempt=()):
    return Guard(exempt=exemptions(exempt), lookup=lambda _: addresses)


def test_every_address_of_a_name_must_be_public():
    assert guard_answering("8.8.8.8", "2606:4700::1").judge("example.com", 443).ok
    judged = guard_answering("8.8.8.8", "10.0.0.1").judge("example.com", 443)
    assert (judged.verdict, judged.addresses) == (Verdict.PRIVATE, ())


def test_a_judgement_names_the_addresses_to_dial():
    judged = guard_answering("8.8.8.8", "8.8.8.8", "8.8.4.4").judge("example.com", 443)
    assert judged.addresses == (ip_address("8.8.8.8"), ip_address("8.8.4.4"))
    assert Guard().judge("8.8.8.8", 80).addresses == (ip_address("8.8.8.8"),)
    assert Guard().judge("127.0.0.1", 80).addresses == ()


def test_a_name_without_an_address_is_unresolved():
    assert guard_answering().judge("example.com", 80).verdict is Verdict.UNRESOLVED
    assert guard_answering("no address").judge("example.com", 80).verdict is Verdict.UNRESOLVED
    assert guard_answering(*(f"8.8.8.{i}" for i in range(33))).judge("example.com", 80).verdict is Verdict.UNRESOLVED
    assert guard_answering(*(f"8.8.8.{i}" for i in range(32))).judge("example.com", 80).ok


def test_a_name_that_is_refused_is_never_looked_up():
    def lookup(name):
        raise AssertionError(name)

    assert Guard(lookup=lookup).judge("localhost", 80).verdict is Verdict.LOCAL_NAME
    assert Guard(lookup=lookup).judge("example.com", 22).verdict is Verdict.PORT


def test_a_name_may_resolve_into_an_exempt_network_and_only_there():
    inside = guard_answering("10.0.0.1", exempt=["10.0.0.0/8:8080"])
    outside = guard_answering("10.0.0.1", "11.0.0.1", exempt=["10.0.0.0/8:8080"])

    assert inside.judge("example.com", 8080).verdict is Verdict.EXEMPT
    assert inside.judge("example.com", 80).verdict is Verdict.PRIVATE
    assert outside.judge("example.com", 8080).verdict is Verdict.PORT


def test_an_exempt_name_may_resolve_anywhere():
    judged = guard_answering("127.0.0.1", exempt=["wiki.corp"]).judge("wiki.corp", 80)
    assert (judged.verdict, judged.addresses) == (Verdict.EXEMPT, (ip_address("127.0.0.1"),))


def test_a_late_answer_is_none():
    gate = threading.Event()
    try:
        assert resolve("example.com", lambda _: [gate.wait() and "8.8.8.8"], timeout=0.05) == ()
    finally:
        gate.set()


@pytest.mark.slow
def test_a_name_is_not_blamed_for_others_that_hang():
    """If too many look-ups hang, a further name is neither public nor finally refused."""
    gate = threading.Event()
    hanging = Guard(lookup=lambda _: [gate.wait() and "8.8.8.8"])
    with ThreadPoolExecutor(netguard.MOST_LOOKUPS) as pool:
        judged = [pool.submit(hanging.judge, f"{i}.example.net", 443) for i in range(netguard.MOST_LOOKUPS)]
        try:
            assert {judgement.result().verdict for judgement in judged} == {Verdict.UNRESOLVED}
            assert guard_answering("8.8.8.8").judge("example.com", 443).verdict is Verdict.BUSY
        finally:
            gate.set()
    wait_until(lambda: guard_answering("8.8.8.8").judge("example.com", 443).verdict is Verdict.PUBLIC, "a free thread")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_name_is_not_blamed_for_want_of_descriptors(number):
    def lookup(name):
        raise OSError(number, "too many open files")

    assert Guard(lookup=lookup).judge("example.com", 443).verdict is Verdict.BUSY


def test_a_name_that_no_resolver_accepts_has_no_address():
    assert resolve("example.com", lambda _: ["é".encode("ascii").decode()]) == ()


def test_known_addresses_are_judged_without_a_look_up():
    def lookup(name):
        raise AssertionError(name)

    guard = Guard(exempt=exemptions(["wiki.corp"]), lookup=lookup)
    public, inside = ip_address("8.8.8.8"), ip_address("10.0.0.1")
    assert guard.judge_resolved("example.com", 443, (public,)) == Judgement(Verdict.PUBLIC, (public,))
    assert guard.judge_resolved("example.com", 443, (public, inside)) == Judgement(Verdict.PRIVATE)
    assert guard.judge_resolved("example.com", 443, ()) == Judgement(Verdict.UNRESOLVED)
    assert guard.judge_resolved("wiki.corp", 443, (inside,)) == Judgement(Verdict.EXEMPT, (inside,))
    assert guard.judge_resolved("localhost", 443, (public,)) == Judgement(Verdict.LOCAL_NAME)
    assert guard.judge_resolved("10.0.0.1", 443, (public,)) == Judgement(Verdict.PRIVATE)


def test_the_system_resolver_knows_this_machine():
    assert "127.0.0.1" in netguard.system_lookup("localhost")


@pytest.mark.parametrize("entry", ["", "a b", "10.0.0.0/99", "host:0", "host:65536", "host:abc", "host/8", "é.com"])
def test_a_bad_exemption_is_named(entry):
    with pytest.raises(ValueError, match="'"):
        Exemption.parse(entry)


def test_who_connects_itself_reaches_no_address_of_its_own_machine_unless_exempt(monkeypatch):
    own = ip_address("8.8.4.4")
    monkeypatch.setattr("netguard.guard.is_own_address", own.__eq__)
    there, here = (ip_address("8.8.8.8"),), (own,)
    assert guard_answering("8.8.8.8").judge_to_connect("example.com", 443) == Judgement(Verdict.PUBLIC, there)
    assert guard_answering("8.8.4.4").judge_to_connect("example.com", 443) == Judgement(Verdict.LOOPBACK)
    exempt = guard_answering("8.8.4.4", exempt=["wiki.corp"])
    assert exempt.judge_to_connect("wiki.corp", 443) == Judgement(Verdict.EXEMPT, here)


def test_who_cannot_tell_its_own_addresses_connects_to_none(monkeypatch):
    def busy(_):
        raise netguard.Busy

    monkeypatch.setattr("netguard.guard.is_own_address", busy)
    assert guard_answering("8.8.8.8").judge_to_connect("example.com", 443) == Judgement(Verdict.BUSY)

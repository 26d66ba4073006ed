"""Properties of all URLs that the URL guard accepts."""

import string
from ipaddress import IPv4Address, IPv6Address

import can_ada
import idna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import netguard
from engine.parsing import locate as locate_in_the_engine
from errors import ThumbnailError
from netguard import Exemption, Guard, Verdict
from options import Target as EngineTarget
from urls import locate, parse_url

GUARD = Guard(lookup=lambda _: ["93.184.216.34"])
HOSTS = st.one_of(
    st.sampled_from(
        ["example.com", "EXAMPLE.com.", "127.0.0.1", "0x7f.1", "2130706433", "[::1]", "[::ffff:8.8.8.8]", "localhost",
         "8.8.8.8", "[2606:4700::1]", "bücher.example", "a_b.example.com", "xn--n3h.net", "１２７.0.0.1", "ex%61mple.com"]
    ),
    st.text(string.ascii_letters + string.digits + "-_.%:[]@。．", min_size=1, max_size=30),
    st.text(min_size=1, max_size=20),
)  # fmt: skip
SCHEMES = st.sampled_from(["http://", "https://", "HTTP://", "https:", "http:/", "ftp://", "//", ""])
TAILS = st.one_of(
    st.just(""), st.text(max_size=20).map("/".__add__), st.sampled_from([":80/", ":443", ":8080/", "/#/a"])
)
URLS = st.one_of(st.builds("".join, st.tuples(SCHEMES, HOSTS, TAILS)), st.text(max_size=60))


@st.composite
def ipv6_spellings(draw):
    """An address with a legal spelling of it (RFC 4291, 2.2): any case, leading zeros, `::` anywhere, a dotted tail."""
    groups = draw(st.lists(st.sampled_from([0, 0, 0, 1, 0x20, 0x200, 0xABCD]), min_size=7, max_size=7))
    groups = [draw(st.sampled_from([0x2001, 0x2606, 0x2A00, 0, 0xFE80])), *groups]
    address = IPv6Address(b"".join(group.to_bytes(2) for group in groups))
    spelt = [f"{group:0{draw(st.integers(1, 4))}{draw(st.sampled_from('xX'))}}" for group in groups]
    if draw(st.booleans()):
        spelt[6:] = [str(IPv4Address(groups[6] << 16 | groups[7]))]
    runs = [
        (i, j) for i in range(len(spelt)) for j in range(i + 1, len(spelt) + 1) if not any(map(is_not_zero, spelt[i:j]))
    ]
    if runs and draw(st.booleans()):
        start, end = draw(st.sampled_from(runs))
        return address, ":".join(spelt[:start]) + "::" + ":".join(spelt[end:])
    return address, ":".join(spelt)


def is_not_zero(group):
    return bool(group.strip("0"))


def accepted(text):
    try:
        return parse_url(text, GUARD)
    except ThumbnailError:
        return None


@given(URLS)
@example("https://example.com./#/route")
@example("https://ex%61mple.com:443/?q=a@127.0.0.1")
def test_accepted_urls_are_canonical_and_public_and_all_parsers_agree(text):
    target = accepted(text)
    if target is None:
        return
    assert accepted(target.url) == locate(target.url) == target, "parsing is idempotent"
    parsed, host, port = can_ada.parse(target.url), target.host, target.port
    assert (parsed.href, parsed.hostname, parsed.host) == (target.url, host, target.netloc)
    assert (f"{target.scheme}:", target.path) == (parsed.protocol, parsed.pathname + parsed.search)
    assert parsed.protocol in ("http:", "https:")
    assert (parsed.username, parsed.password) == ("", "")
    assert port in GUARD.ports
    assert GUARD.screen(host, port) in (Verdict.NEEDS_LOOKUP, Verdict.PUBLIC)
    address = netguard.literal(host)
    assert address is None or netguard.judge_address(address) is Verdict.PUBLIC


@given(st.ip_addresses())
def test_an_address_is_accepted_exactly_if_it_is_public(address):
    host = f"[{address}]" if address.version == 6 else str(address)
    public = netguard.judge_address(address) is Verdict.PUBLIC
    assert (accepted(f"http://{host}/") is not None) == public


@given(st.ip_addresses(v=4))
def test_an_address_in_disguise_is_never_accepted(address):
    number = int(address)
    first, rest = number >> 24, number & 0xFFFFFF
    for disguise in (str(number), hex(number), f"{first}.{rest}", f"0{first:o}.{rest}", f"[::ffff:{address}]"):
        assert accepted(f"http://{disguise}/") is None


@given(ipv6_spellings())
@example((IPv6Address("2001:200::1"), "2001:0200::1"))
@example((IPv6Address("2606:4700::102:304"), "2606:4700::1.2.3.4"))
def test_every_legal_spelling_of_an_ipv6_address_has_one_canonical_url(spelt):
    address, text = spelt
    target = accepted(f"http://[{text}]:80/")
    assert target is None or target.url == f"http://[{address}]/"
    assert (target is not None) == (netguard.judge_address(address) is Verdict.PUBLIC)
    assert Exemption.parse(f"[{text}]:80").covers(f"[{address}]", 80, [address]), "in PRIVATE_TARGETS likewise"
    assert locate_in_the_engine(f"http://[{text}]/") == EngineTarget(f"http://[{address}]/", f"[{address}]", 80), (
        "so in the engine"
    )


@pytest.mark.parametrize(
    "host",
    ["010.0.0.1", "0x8.8.8.8", "8.8.2056", "134744072", "8.8.8.8.", "８.8.8.8", "[::ffff:08.8.8.8]", "[1::2::3]"],
)
def test_an_ipv4_address_in_any_but_its_usual_form_stays_refused(host):
    assert accepted(f"http://{host}/") is None


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://FA\u1e9e.de/\u1e9e", "https://xn--fa-hia.de/%E1%BA%9E"),
        ("https://fa%E1%BA%9E.de", "https://xn--fa-hia.de/"),
        ("https://fa%e1%ba%9e.de/%e1%ba%9e?q=\u1e9e", "https://xn--fa-hia.de/%e1%ba%9e?q=%E1%BA%9E"),
        ("https://fa\xdf.de/", "https://xn--fa-hia.de/"),
        ("https://FASS.de/", "https://fass.de/"),
    ],
)
def test_a_sharp_s_leads_to_the_same_site_whatever_its_case(url, canonical):
    assert parse_url(url, GUARD).url == canonical
    assert locate_in_the_engine(url).url == canonical


def test_a_host_is_mapped_as_by_the_current_table_of_idna():
    different = {}
    for character in map(chr, [*range(0xA1, 0xD800), *range(0xE000, 0x30000)]):
        mapped = current_mapping(character)
        if mapped != character and (target := accepted(f"https://a{character}b.example/")):
            expected = accepted(f"https://a{mapped}b.example/")
            if target != expected:
                different[character] = (target, expected)
    assert different == {}


def current_mapping(character):
    try:
        return idna.uts46_remap(character, std3_rules=False)
    except idna.IDNAError:
        return character  # not allowed in a host

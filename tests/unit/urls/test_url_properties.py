"""What holds for every URL that the door lets in, whatever it looks like."""

import string

import can_ada
from hypothesis import example, given
from hypothesis import strategies as st

import netguard
from errors import ThumbnailError
from netguard import Guard, Verdict
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


def accepted(text):
    try:
        return parse_url(text, GUARD)
    except ThumbnailError:
        return None


@given(URLS)
@example("https://example.com./#/route")
@example("https://ex%61mple.com:443/?q=a@127.0.0.1")
def test_what_is_accepted_is_canonical_public_and_read_alike_by_all(text):
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

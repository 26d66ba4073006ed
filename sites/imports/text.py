"""Bytes of a stranger → text: unpacked within a limit, decoded by BOM or declaration, and refused if they are no text."""

import codecs
import re
import zlib

from sites.imports.candidates import MAX_BYTES, too_large, unreadable

_GZIP = b"\x1f\x8b"
_MAX_PARTS = 2_000_000  # lines and tags, each of which costs a microsecond or two
_MAX_LAYERS = 2  # a `.gz` file that a server compressed once more
_MAX_MEMBERS = 64  # each costs a copy of the rest
_ZIP = b"PK\x03\x04"
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_DECLARATION_BYTES = 1024  # HTML looks no further for it
_DECLARED = re.compile(
    rb"""^\s*<\?xml\b[^>]*?\bencoding\s*=\s*["']?([\w.:-]{1,40})|<meta\b[^>]*?\bcharset\s*=\s*["']?([\w.:-]{1,40})""",
    re.IGNORECASE,
)
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")

# The encodings that browsers know (https://encoding.spec.whatwg.org), by Python's names. Python's other codecs include
# `idna`, `unicode_escape` and `zip`, which a stranger must not choose.
_ENCODINGS = frozenset({"utf-8", "big5", "euc_jp", "shift_jis", "euc_kr", "gbk", "gb18030", "koi8-r", "koi8-u"})
_CODE_PAGES = re.compile(r"cp(125[0-8]|866|874)|iso8859-([2-8]|1[03-6])|mac-roman")
# As browsers do: who writes "Latin-1" means the code page of Windows, and ASCII is the beginning of UTF-8.
_MEANT = {"iso8859-1": "cp1252", "ascii": "utf-8", "gb2312": "gbk", "utf-8-sig": "utf-8"}


def read_text(body: bytes, charset: str = "", most: int = MAX_BYTES) -> str:
    """Unpack and decode `body`, of which at most `most` bytes may remain unpacked. `charset` is that of its Content-Type.

    Line ends are kept. Raises InvalidOption.
    """
    body = unpack(body, most)
    if body.startswith(_ZIP):
        raise unreadable("is a zip archive or an office document; send the list in it, as CSV or text")
    bom, encoding = next(((bom, name) for bom, name in _BOMS if body.startswith(bom)), (b"", ""))
    encoding = encoding or _known(charset) or _known(_declared(body)) or "utf-8"
    try:
        text = body[len(bom) :].decode(encoding)
    except UnicodeDecodeError as err:
        if b"\0" in body and not encoding.startswith("utf-16"):
            raise unreadable("is not text") from None
        line = body.count(b"\n", 0, err.start) + 1
        raise unreadable(
            f"line {line} is not {encoding.upper()}; save the list as UTF-8, or name its encoding in the Content-Type, "
            "such as text/csv; charset=windows-1252"
        ) from None
    if junk := _CONTROLS.search(text):
        raise unreadable(f"is not text: line {text.count(chr(10), 0, junk.start()) + 1} has a control character")
    if sum(map(text.count, "\n\r<")) > _MAX_PARTS:
        raise unreadable(f"must have at most {_MAX_PARTS:,} lines and tags; split it")
    return text


def unpack(body: bytes, most: int) -> bytes:
    """Undo gzip, if `body` is compressed. Raises InvalidOption above `most` bytes, or where it is damaged."""
    for _ in range(_MAX_LAYERS):
        if not body.startswith(_GZIP):
            break
        body = _gunzip(body, most)
    if len(body) > most:
        raise too_large()
    return body


def _gunzip(packed: bytes, most: int) -> bytes:
    """Decompress the members of a gzip file. What follows the last of them is ignored, as gzip does."""
    unpacked = bytearray()
    for _ in range(_MAX_MEMBERS):
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            unpacked += member.decompress(packed, most - len(unpacked) + 1)
        except zlib.error:
            raise unreadable("is damaged: it cannot be decompressed") from None
        if len(unpacked) > most:
            raise too_large()
        if not member.eof:
            raise unreadable("is incomplete: its compressed form ends too early")
        packed = member.unused_data
        if not packed.startswith(_GZIP):
            return bytes(unpacked)
    raise unreadable(f"must be one compressed file; it has more than {_MAX_MEMBERS} parts")


def _declared(body: bytes) -> str:
    found = _DECLARED.search(body[:_DECLARATION_BYTES])
    return (found[1] or found[2]).decode("ascii", "replace") if found else ""


def _known(charset: str) -> str:
    """Return Python's name of an encoding, or an empty text where none is named. Raises InvalidOption for an unknown one."""
    if not charset:
        return ""
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        name = charset[:40]
    name = _MEANT.get(name, name)
    if name.replace("_", "-").startswith("utf-16"):  # a declaration that was readable as ASCII cannot be true
        return "utf-8"
    if name not in _ENCODINGS and not _CODE_PAGES.fullmatch(name):
        raise unreadable(f"the encoding {name!r} is not supported; save the list as UTF-8")
    return name

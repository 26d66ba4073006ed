"""Writes into a picture's file when, from where and by what it was captured: as text of a PNG, else as EXIF; and as XMP.

Pictures are passed on without the page that shows them, so the addresses leave out what may be a secret. Pure.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

SOFTWARE = "thumbnail-service"
_PATH_PARAMETERS = re.compile(";[^/]*")  # as in /page;jsessionid=8A3C, which servers add to the paths of redirects
_XMP_IN_PNG = (
    "XML:com.adobe.xmp"  # the keyword: XMP specification, part 3, "Embedding XMP metadata in application files"
)
# https://cv.iptc.org/newscodes/digitalsourcetype/
_SCREEN_CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/screenCapture"


def public_address(url: str) -> str:
    """Return an http(s) URL without user name, parameters of its path, query and fragment."""
    parts = urlsplit(url)
    path = _PATH_PARAMETERS.sub("", parts.path)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}" if parts.netloc else ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """The page's address, the one to which it led, when it was captured, and by which screenshot API, "" if unknown.

    What is no `screenshot` may be a picture that the page names for previews.
    """

    url: str
    final_url: str
    captured_at: datetime
    captured_by: str = ""
    screenshot: bool = True

    def parameters(self, pillow: str) -> Mapping[str, Any]:
        """Return the parameters of Pillow's encoder `pillow` that write it."""
        return _WRITERS[pillow](self)

    @property
    def software(self) -> str:
        return f"{SOFTWARE} ({self.captured_by})" if self.captured_by else SOFTWARE

    @property
    def description(self) -> str:
        kind = "Screenshot" if self.screenshot else "Picture"
        led = f", which led to {self.final_url}" if self._led_elsewhere else ""
        return f"{kind} of {self.url}{led}"

    @property
    def _led_elsewhere(self) -> bool:
        return self.final_url not in ("", self.url)

    @property
    def moment(self) -> str:
        """When the page was captured, by RFC 3339."""
        return self.captured_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    @property
    def xmp(self) -> str:
        led = _bag("dc:relation", self.final_url) if self._led_elsewhere else ""
        source = f' Iptc4xmpExt:DigitalSourceType="{_SCREEN_CAPTURE}"' if self.screenshot else ""
        return (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
            ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
            f' xmp:CreateDate="{self.moment}" xmp:CreatorTool="{escape(self.software)}"'
            f' dc:source="{escape(self.url)}"{source}>'
            '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">'
            f"{escape(self.description)}</rdf:li></rdf:Alt></dc:description>{led}"
            '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
        )


def _bag(name: str, value: str) -> str:
    return f"<{name}><rdf:Bag><rdf:li>{escape(value)}</rdf:li></rdf:Bag></{name}>"


def _as_text(provenance: Provenance) -> Mapping[str, Any]:
    """Write keywords of the PNG specification (11.3.3, "Textual information"), and one of our own, `URL`."""
    info = PngInfo()
    info.add_text("Description", provenance.description)
    info.add_text("Creation Time", provenance.moment)
    info.add_text("Software", provenance.software)
    info.add_text("URL", provenance.url)
    info.add_itxt(_XMP_IN_PNG, provenance.xmp)
    return {"pnginfo": info}


def _as_exif(provenance: Provenance) -> Mapping[str, Any]:
    moment = provenance.captured_at.astimezone(UTC).strftime("%Y:%m:%d %H:%M:%S")
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = provenance.description
    exif[ExifTags.Base.Software] = provenance.software
    exif[ExifTags.Base.DateTime] = moment
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {
            ExifTags.Base.ExifVersion: b"0232",  # since 2.31 there are offsets
            ExifTags.Base.DateTimeOriginal: moment,
            ExifTags.Base.DateTimeDigitized: moment,
            ExifTags.Base.OffsetTime: "+00:00",
            ExifTags.Base.OffsetTimeOriginal: "+00:00",
            ExifTags.Base.OffsetTimeDigitized: "+00:00",
        }
    )
    return {"exif": exif.tobytes(), "xmp": provenance.xmp.encode()}


_WRITERS: Mapping[str, Callable[[Provenance], Mapping[str, Any]]] = MappingProxyType(
    {"PNG": _as_text, "WEBP": _as_exif, "JPEG": _as_exif, "AVIF": _as_exif}
)

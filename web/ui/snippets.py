"""Code to copy, which shows one picture: made for the options that a person has chosen. Knows no HTTP."""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import quote, urlencode

from access import AccessRules, sign
from options import FORMATS, THUMBNAIL_OPTIONS, Boolean, implied_by_device
from validation import AUTO
from web.ui.controls import URL, Pairs

_FORMATS = ("avif", "webp")  # of a <picture>: the smallest first
_SHORTCODE = {"w": "width", "h": "height", "width": "viewport_width", "height": "viewport_height"}
_ENTITY = re.compile(r"&amp;(?=#?\w+;)")  # of a value that is escaped


@dataclass(frozen=True, slots=True)
class Snippet:
    """One way to use the picture. `ending` is that of a file that holds the code."""

    name: str
    label: str
    ending: str
    code: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """The picture that the code is about: its options, where the service is, and the size to keep free for it.

    `arrives` says whether scripts of other sites' pages may learn here that a picture is pending. `opened` is the URL at
    which the page was found, if it is known.
    """

    pairs: Pairs
    base: str
    access: AccessRules
    size: tuple[int, int]
    arrives: bool = True
    opened: str = ""

    @property
    def options(self) -> Pairs:
        return self.signed(self.pairs)

    @property
    def values(self) -> dict[str, str]:
        return dict(self.pairs)

    @property
    def host(self) -> str:
        """The host as the person has written it: the URL may be wrong, or lack its scheme."""
        address = self.values[URL]
        return re.split(r"[/?#]", address.partition("://")[2] or address, maxsplit=1)[0].rpartition("@")[2]

    @property
    def page(self) -> str:
        """The URL of the page with its scheme, which the person need not have written."""
        written = self.values[URL]
        return written if "://" in written else self.opened or f"https://{written.removeprefix('//')}"

    @property
    def alt(self) -> str:
        return f"Screenshot of {self.host}"

    @property
    def file(self) -> str:
        format_ = FORMATS.get(self.values.get("format", ""), FORMATS["png"])
        return f"thumb.{format_.ending}"

    def signed(self, pairs: Pairs) -> Pairs:
        """Add the signature that a URL with these options needs here, by the newest key. Raises BadSignature."""
        keys = self.access.signing_keys
        return (*pairs, ("sig", sign(keys[0], pairs))) if keys else pairs

    def address(self, **changes: object) -> str:
        """Return the URL of the picture, with some options changed."""
        pairs = tuple({**self.values, **{name: str(value) for name, value in changes.items()}}.items())
        return f"{self.base}/thumb?{query_of(self.signed(pairs))}"


def query_of(pairs: Pairs) -> str:
    """Write options as a query that people can read: slashes and colons need no percent-encoding there."""
    return urlencode(pairs, quote_via=quote, safe="/:,")


def snippets(subject: Subject) -> tuple[Snippet, ...]:
    """Write the code in every language. A PDF is no image, so pages get a link."""
    kinds = _PAGES if subject.values.get("format") != "pdf" else _LINKS
    return tuple(write(subject) for write in (*kinds, *_PROGRAMS))


def _attributes(subject: Subject) -> str:
    width, height = subject.size
    sides = f' width="{width}" height="{height}"' if width and height else ""
    return f'{sides} alt="{escape(subject.alt)}"'


def _img(subject: Subject) -> Snippet:
    """Show a placeholder at once, which the script replaces: where it may, and unless a time to wait was chosen."""
    script = f'<script src="{escape(subject.base)}/thumbs.js" async></script>\n' if subject.arrives else ""
    address = subject.address(**({"wait": 0} if script and "wait" not in subject.values else {}))
    image = f'<img src="{escape(address)}"{_attributes(subject)} loading="lazy">'
    note = (
        "The script replaces a placeholder as soon as its picture is there. A page needs it once."
        if script
        else "CORS_ORIGINS lets pages use /thumbs.js, with which a placeholder is shown until the picture is there."
    )
    return Snippet("img", "<img>", "html", script + image, note)


def _picture(subject: Subject) -> Snippet:
    first, second = (_densities(subject, format_) for format_ in _FORMATS)
    one = second.split(" ", 1)[0]
    code = "\n".join(
        (
            "<picture>",
            f'  <source type="image/{_FORMATS[0]}" srcset="{first}">',
            f'  <img src="{one}" srcset="{second}"{_attributes(subject)}>',
            "</picture>",
        )
    )
    return Snippet("picture", "<picture>", "html", code, "One capture serves both formats and both densities.")


def _densities(subject: Subject, format_: str) -> str:
    """Write a `srcset` for displays with one and two device pixels per CSS pixel, from one capture that is sharp enough."""
    values, sizes = subject.values, subject.access.sizes
    width, height, scale = _captured(values)
    size = {name: int(values[name]) for name in ("w", "h") if values.get(name, "").isdecimal()}
    size = size or ({} if "selector" in values else {"w": width})  # how wide an element is, is not known
    double = {name: side * 2 for name, side in size.items()}
    is_allowed = not sizes or all((each.get("w"), each.get("h")) in sizes for each in (size, double))
    if not double or not is_allowed or max(double.values()) > _MOST:
        return f"{escape(subject.address(format=format_))} 1x"
    is_sharp = double.get("w", 0) <= width * scale and double.get("h", 0) <= height * scale
    sharp = {} if is_sharp or "selector" in values or "scale" in values else {"scale": 2}
    one, two = (escape(subject.address(format=format_, **sharp, **each)) for each in (size, double))
    return f"{one} 1x, {two} 2x"


_MOST = 3840  # pixels of a picture's side


def _captured(values: Mapping[str, str]) -> tuple[int, int, float]:
    """Return how large the page is captured, in CSS pixels, and how many pixels each of them has."""
    device = implied_by_device(values.get("device"))
    window = (values.get(name) or device.get(name) or THUMBNAIL_OPTIONS[name].default for name in ("width", "height"))
    clip = values["clip"].split(",")[2:] if "clip" in values else ()
    width, height = (round(float(side)) for side in clip or window)  # /thumb rounds fractions
    return width, height, float(values.get("scale") or device.get("scale") or 1)


def _link(subject: Subject) -> Snippet:
    code = f'<a href="{escape(subject.address())}">{escape(subject.host)} as a PDF</a>'
    return Snippet("link", "<a>", "html", code)


def _markdown_link(subject: Subject) -> Snippet:
    return Snippet("markdown", "Markdown", "md", f"[{subject.host} as a PDF](<{subject.address()}>)")


def _curl(subject: Subject) -> Snippet:
    return Snippet("curl", "curl", "sh", f"curl -fsS -o {subject.file} {shlex.quote(subject.address())}")


def _python(subject: Subject) -> Snippet:
    lines = "".join(f"    {_word(name)}: {_typed(name, value)},\n" for name, value in subject.options)
    code = (
        "from urllib.parse import urlencode\n"
        "from urllib.request import urlretrieve\n"
        "\n"
        f"options = {{\n{lines}}}\n"
        f'urlretrieve("{subject.base}/thumb?" + urlencode(options), "{subject.file}")'
    )
    return Snippet("python", "Python", "py", code)


def _javascript(subject: Subject) -> Snippet:
    lines = "".join(f"  {name}: {_typed(name, value)},\n" for name, value in subject.options)
    code = (
        f"const options = new URLSearchParams({{\n{lines}}});\n"
        f"const response = await fetch(`{subject.base}/thumb?${{options}}`);\n"
        "if (!response.ok) throw new Error((await response.json()).detail);\n"
        "const picture = await response.blob();"
    )
    return Snippet("javascript", "JavaScript", "mjs", code)


def _php(subject: Subject) -> Snippet:
    lines = "".join(f"    '{name}' => {_php_typed(name, value)},\n" for name, value in subject.options)
    code = (
        "<?php\n"
        f"$options = http_build_query([\n{lines}]);\n"
        f"$picture = file_get_contents('{subject.base}/thumb?' . $options);\n"
        "if ($picture === false) {\n"
        "    exit('The picture could not be fetched.');\n"
        "}\n"
        f"file_put_contents('{subject.file}', $picture);"
    )
    return Snippet("php", "PHP", "php", code)


def _go(subject: Subject) -> Snippet:
    lines = "".join(f"\t\t{_word(name)}: {{{_word(value)}}},\n" for name, value in subject.options)
    code = f"""\
package main

import (
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
)

func main() {{
	options := url.Values{{
{lines}	}}
	response, err := http.Get("{subject.base}/thumb?" + options.Encode())
	if err != nil {{
		log.Fatal(err)
	}}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {{
		log.Fatal(response.Status)
	}}
	file, err := os.Create("{subject.file}")
	if err != nil {{
		log.Fatal(err)
	}}
	defer file.Close()
	if _, err := io.Copy(file, response.Body); err != nil {{
		log.Fatal(err)
	}}
}}"""
    return Snippet("go", "Go", "go", code)


def _markdown(subject: Subject) -> Snippet:
    page = subject.page.replace("<", "%3C").replace(">", "%3E")
    picture = f"![{subject.alt}](<{subject.address()}>)"
    return Snippet("markdown", "Markdown", "md", f"[{picture}](<{page}>)")


def _wordpress(subject: Subject) -> Snippet:
    """Write the shortcode of the plug-in in clients/wordpress, which decodes entities and signs by itself."""
    names = ((_SHORTCODE.get(name, name), value) for name, value in subject.pairs)
    attributes = " ".join(f'{name}="{_of_shortcode(value)}"' for name, value in names)
    return Snippet(
        "wordpress", "WordPress", "txt", f"[thumbnail {attributes}]", "A shortcode of the plug-in in clients/wordpress."
    )


def _cms(subject: Subject) -> Snippet:
    # Of a body, /persist expects a whole URL, and a format.
    chosen = {**subject.values, URL: subject.page}.items()
    body = {name: _json_value(name, value) for name, value in chosen if (name, value) != ("format", AUTO)}
    keyed = subject.access.keys or subject.access.signing_keys
    headers = {"Content-Type": "application/json"} | ({"Authorization": "Bearer YOUR_API_KEY"} if keyed else {})
    code = f"""\
<button type="button" id="generate">Generate thumbnail</button>
<p role="status" id="thumbnail"></p>
<script type="module">
const status = document.querySelector("#thumbnail");
document.querySelector("#generate").addEventListener("click", async () => {{
  status.textContent = "Generating …";
  const response = await fetch("{subject.base}/persist", {{
    method: "POST",
    headers: {_in_script(headers)},
    body: JSON.stringify({_in_script(body)}),
  }});
  const answer = await response.json();
  status.textContent = response.ok ? answer.url : answer.detail;
}});
</script>"""
    note = "The URL stays. CORS_ORIGINS must name the origin of your CMS."
    if keyed:
        note = "Keep the key on your server: let the button ask your CMS, and your CMS send this request."
    return Snippet("cms", "CMS button", "html", code, note)


_PAGES: tuple[Callable[[Subject], Snippet], ...] = (_img, _picture, _markdown)
_LINKS: tuple[Callable[[Subject], Snippet], ...] = (_link, _markdown_link)
_PROGRAMS: tuple[Callable[[Subject], Snippet], ...] = (_curl, _python, _javascript, _php, _go, _wordpress, _cms)


def _word(text: str) -> str:
    """Write a string as JSON, Python, JavaScript and Go all do."""
    return json.dumps(text, ensure_ascii=False)


def _is_number(name: str, value: str) -> bool:
    option = THUMBNAIL_OPTIONS.get(name)
    return option is not None and hasattr(option.kind, "low") and value.isascii() and value.isdecimal()


def _typed(name: str, value: str) -> str:
    return str(int(value)) if _is_number(name, value) else _word(value)


def _php_typed(name: str, value: str) -> str:
    if _is_number(name, value):
        return str(int(value))
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _json_value(name: str, value: str) -> object:
    if _is_number(name, value):
        return int(value)
    option = THUMBNAIL_OPTIONS.get(name)
    return value == "true" if option is not None and isinstance(option.kind, Boolean) else value


def _in_script(value: Mapping[str, object]) -> str:
    """Write JSON so that it cannot end the script around it."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _of_shortcode(value: str) -> str:
    """Write what would end the shortcode as entities, and backslashes too: WordPress removes them.

    An entity in the value itself begins with `&#38;`, since `&amp;amp;` is what a visual editor makes of `&amp;`.
    """
    text = _ENTITY.sub("&#38;", escape(value))
    return text.replace("[", "&#91;").replace("\\", "&#92;").replace("]", "&#93;")

"""No script is drawn as boxes: each letter differs from the picture of a character that does not exist."""

import json
from urllib.parse import unquote, urlsplit

import pytest

from scripts.system_packages import package_manager, pictures
from tests.support.engine import Engine
from tests.support.site import Site

FONTS = {name: each for name, each in pictures(package_manager()).items() if "font" in each.lost}
MISSING = [name for name, each in FONTS.items() if not each.served()]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed on this machine: {', '.join(MISSING)}")

SCRIPTS = {
    "Latin": "Ağßøẞ", "Greek": "Ωλ", "Cyrillic": "ЖѢӘ", "Armenian": "Հա", "Georgian": "ქართ", "Hebrew": "שלום",
    "Arabic": "سلام", "Urdu": "ٹگے", "Syriac": "ܫܠ", "Thaana": "ދވ", "N'Ko": "ߒߞߏ", "Ethiopic": "አማርኛ",
    "Devanagari": "हनद", "Bengali": "বল", "Gurmukhi": "ਪਜਬ", "Gujarati": "ગજરત", "Odia": "ଓଡଆ", "Tamil": "தமழ",
    "Telugu": "తలగ", "Kannada": "ಕನಡ", "Malayalam": "മലയള", "Sinhala": "සහල", "Thai": "ไทย", "Lao": "ລາວ",
    "Tibetan": "བདཡག", "Burmese": "မန", "Khmer": "ខមរ", "Mongolian": "ᠮᠣᠩᠭᠣᠯ", "Cherokee": "ᏣᎳᎩ",
    "Canadian Aboriginal": "ᐃᓄᒃ", "Ogham": "ᚑᚌ", "Runic": "ᚱᚢ", "Tagalog": "ᜊᜌ", "Tai Le": "ᥖᥭ",
    "New Tai Lue": "ᦅᦺ", "Buginese": "ᨅᨔ", "Balinese": "ᬩᬮ", "Sundanese": "ᮞ", "Batak": "ᯅᯖ", "Lepcha": "ᰛ",
    "Ol Chiki": "ᱥᱟ", "Glagolitic": "ⰃⰎ", "Coptic": "Ⲙⲉ", "Tifinagh": "ⵜⵉⴼ", "Yi": "ꆈꌠ", "Lisu": "ꓡꓲ",
    "Vai": "ꕙꔤ", "Bamum": "ꚠꚡ", "Syloti Nagri": "ꠍ", "Phags-pa": "ꡖꡍ", "Saurashtra": "ꢱ", "Kayah Li": "ꤊꤢ",
    "Rejang": "ꤰꤱ", "Javanese": "ꦗꦮ", "Cham": "ꨌ", "Tai Viet": "ꪎ", "Meetei Mayek": "ꯃ", "Gothic": "𐌲𐌿",
    "Deseret": "𐐔𐐯", "Linear B": "𐀀𐀁", "cuneiform": "𒀀𒁀", "hieroglyphs": "𓂀𓃰", "Adlam": "𞤀𞤣", "Osage": "𐓏𐓘",
    "Chakma": "𑄌𑄋", "Hangul": "한국어", "kana": "ひらカナ", "Bopomofo": "ㄅㄆ", "Han": "简體漢字",
    "Han, extension A": "㐀㒳䶵", "Han, extension B": "𠀀𠮷𡈽𠜎𠱓𤭢𩸽", "Han, extensions C to H": "𪜀𫐄𫝀𫠝𫠠𬇙𬺰𰀀𱍐",
    "Braille": "⠃⠗", "mathematics": "∑∞𝔸𝒜", "arrows": "→⇒⤴", "symbols": "☺♞⚙✓★①㊗🄰🀰🂡🀄", "music": "𝄞♪",
    "currencies": "€₿₹₽₺₴₩₫₮₸₾", "emoji": "😀🫠🦄👩🇩",
}  # fmt: skip
PAGE = """<!doctype html><meta charset=utf-8><body>letters<script>
const canvas = document.createElement('canvas'), pen = canvas.getContext('2d', {willReadFrequently: true});
canvas.width = canvas.height = 60;
const drawn = letter => {
  pen.clearRect(0, 0, 60, 60);
  pen.font = '32px sans-serif';
  pen.fillText(letter, 10, 42);
  return String(pen.getImageData(0, 0, 60, 60).data);
};
const box = drawn('\\u{10FFFF}'), found = {};
for (const [script, letters] of Object.entries(SCRIPTS))
  found[script] = [...letters].filter(letter => drawn(letter) === box).join('');
fetch('/boxes?' + encodeURIComponent(JSON.stringify(found)));
</script>"""


@pytest.fixture(scope="module")
def boxes(engine: Engine, site: Site) -> dict[str, str]:
    """The letters of each script that are drawn as boxes."""
    site.add("/boxes")
    page = PAGE.replace("SCRIPTS", json.dumps(SCRIPTS))
    assert engine.capture(site.add("/letters", page), width=400, height=300).status_code == 200
    told = [each.path for each in site.requests if each.path.startswith("/boxes?")]
    return json.loads(unquote(urlsplit(told[-1]).query))


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_letter_is_drawn_as_a_box(boxes: dict[str, str], script: str):
    assert boxes[script] == ""

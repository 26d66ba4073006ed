"""Regenerate engine/data/cookie-banners.css from the npm package @duckduckgo/autoconsent, unpacked.

npm pack @duckduckgo/autoconsent && tar xf duckduckgo-autoconsent-*.tgz
python scripts/cookie_banners.py package
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).parent.parent / "engine" / "data" / "cookie-banners.css"


def from_rules(package: Path) -> Iterator[str]:
    """Yield the selectors of rules for every site. A site's own rule would hide other elements elsewhere."""
    for rule in json.loads((package / "rules" / "rules.json").read_text(encoding="utf-8"))["autoconsent"]:
        context = rule.get("runContext", {})
        if "urlPattern" not in context and context.get("main", True) and not rule["name"].startswith("Test"):
            yield from rule.get("prehideSelectors", [])


def from_code(package: Path) -> Iterator[str]:
    """Yield the selectors of consent platforms that are implemented in code instead of rules."""
    sources = [*sorted((package / "lib" / "cmps").glob("*.ts")), package / "lib" / "web.ts"]
    for source in sources:
        for listed in re.findall(
            r"(?:prehideSelectors|globalHidden) = \[(.*?)\];|prehideSelectors\(\): string\[\] \{\s*return \[(.*?)\];",
            source.read_text(encoding="utf-8"),
            re.DOTALL,
        ):
            quoted = re.findall(r"'([^']*)'|\"([^\"]*)\"|`([^`]*)`", "".join(listed))
            yield from (re.sub(r",?\$\{\w+\}", "", "".join(one)) for one in quoted)


def main(package: Path) -> None:
    version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    selectors = sorted({*from_rules(package), *from_code(package)} - {""})
    head = (
        f"/* Selectors of @duckduckgo/autoconsent {version}, MPL-2.0, see cookie-banners.LICENSE; one rule a line. */"
    )
    rules = [f"{selector}{{display: none !important}}" for selector in selectors]
    TARGET.write_text("\n".join([head, *rules]) + "\n", encoding="utf-8")
    print(f"{len(rules)} rules, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Turns Markdown into a document that looks good by itself: CommonMark with tables and struck-out text, in a theme. Pure."""

import html
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt

THEMES = ("light", "dark", "paper")
_FOLDER = Path(__file__).parent / "themes"
_PAGE = """<!doctype html>
<html class="{theme}"><head><meta charset="utf-8"><title>{title}</title><style>{style}</style></head>
<body><main>{body}</main></body></html>
"""


def render_markdown(text: str, theme: str = THEMES[0]) -> str:
    """Return `text` as a page of HTML in `theme`, one of THEMES. HTML in the text stays as it is."""
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = markdown.parse(text)
    title = next((each.content for last, each in pairwise(tokens) if last.type == "heading_open"), "")
    for token in tokens:
        # Each outer block is read in its own direction. A block inside with a `dir` of its own would not count for it.
        if token.nesting == 1 and token.level == 0:
            token.attrSet("dir", "auto")
    body = markdown.renderer.render(tokens, markdown.options, {})
    return _PAGE.format(theme=theme, title=html.escape(title), style=_style(), body=body)


@cache
def _style() -> str:
    return (_FOLDER / "markdown.css").read_text(encoding="utf-8")

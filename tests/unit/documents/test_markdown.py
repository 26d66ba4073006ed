"""Markdown becomes a page that looks good by itself."""

import pytest

from documents import THEMES, render_markdown

TEXT = """# Über *alles*

Some **text**, ~~struck~~, `code` and <kbd>keys</kbd>.

| left | right |
|------|------:|
| 1    | 2     |

- one
- two

> said

```python
x = {1: "<b>"}
```
"""


@pytest.mark.parametrize(
    "html",
    [
        '<h1 dir="auto">Über <em>alles</em></h1>',
        "<strong>text</strong>",
        "<s>struck</s>",
        "<kbd>keys</kbd>",
        '<td style="text-align:right">2</td>',
        '<ul dir="auto">',
        '<blockquote dir="auto">\n<p>said',
        "x = {1: &quot;&lt;b&gt;&quot;}",
    ],
)
def test_commonmark_tables_and_html_are_read(html):
    assert html in render_markdown(TEXT)


def test_the_first_heading_is_the_title():
    assert "<title>A &lt;b&gt; title</title>" in render_markdown("text\n\n## A <b> title\n\n# Another")
    assert "<title></title>" in render_markdown("no heading")


@pytest.mark.parametrize("theme", THEMES)
def test_a_theme_is_a_class_of_the_page_and_asks_nothing_of_the_network(theme):
    html = render_markdown("text", theme)
    assert f'<html class="{theme}">' in html
    assert "url(" not in html
    assert "http" not in html


def test_text_may_hold_what_templates_use():
    assert "{body} {{ x }} %s" in render_markdown("{body} {{ x }} %s")

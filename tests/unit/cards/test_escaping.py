"""Whatever a text holds, the document of a card has the same elements and attributes."""

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cards

TEMPLATES = cards.load()
PIECES = [
    *("<b>", "</p>", "</title>", "<!--", "-->", "<script>", "</style>", "]]>", '" onload="x', "' style='x", "javascript:", "url("),
    *("&lt;", "&#34;", "{{ 1 }}", "{%", "\\", "`", "=", "\n", "\u2028", "日", "ا", "🎉"),
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES) | st.characters(codec="utf-8"), min_size=1, max_size=8).map("".join)


class Outline(HTMLParser):
    """The elements of a document with the names of their attributes, and the values of those that mean more than text."""

    def __init__(self, document):
        super().__init__()
        self.elements = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag, attributes):
        told = {name: value if name in ("style", "src", "href") else "" for name, value in attributes}
        self.elements.append((tag, told))


def filled(template, text):
    variables = template.variables.values()
    given = {each.name: each.example for each in variables if each.required}
    texts = {each.name: text[: each.length] for each in variables if "text" in each.type}
    return template.read(given | texts)


@pytest.mark.parametrize(
    "name", [name for name in TEMPLATES if name not in ("release", "repository")]
)  # whose texts are parted
@given(text=TEXTS)
@settings(max_examples=40, deadline=None)
def test_a_text_changes_no_element(name, text):
    template = TEMPLATES[name]
    try:
        data = filled(template, text)
    except cards.CardError:  # control characters, or nothing where something is required
        return
    if not text.strip():
        return
    plain = Outline(template.render(filled(template, "x")))
    shown = Outline(template.render(data))
    assert shown.elements == plain.elements


@given(text=TEXTS)
@settings(max_examples=100, deadline=None)
def test_a_card_is_made_again_from_its_name_whatever_its_texts_hold(text):
    article = TEMPLATES["article"]
    try:
        data = article.read({"title": "x" + text, "description": text})
    except cards.CardError:
        return
    assert article.read(dict(data.values)) == data
    assert TEMPLATES.resolve(article.target_name(data)) == (article, data)

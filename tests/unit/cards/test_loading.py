"""A template that cannot be used is found at start: the message names the file and the line."""

import re
import shutil

import pytest

import cards
import config

TOML = 'title = "Own"\n\n[variables.title]\ntype = "text"\nrequired = true\n\n[variables.picture]\ntype = "image"\n\n[variables.tint]\ntype = "colour"\n'


@pytest.fixture
def own(tmp_path):
    """A folder with a template `own`, whose files a test replaces: `own(html=…, toml=…, style=…)` loads it."""

    def load(html="<p>{{ title }}</p>", toml=TOML, **files):
        folder = tmp_path / "own"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        written = {"template.html": html, "template.toml": toml} | {
            name.replace("_", "."): text for name, text in files.items()
        }
        for name, text in written.items():
            if text is not None:
                (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return cards.load([tmp_path])["own"]

    return load


@pytest.mark.parametrize(
    ("files", "where", "why"),
    [
        ({"toml": None}, "template.toml:1", "No such file"),
        ({"html": None}, "template.html:1", "No such file"),
        ({"html": b"<p>\xff</p>"}, "template.html:1", "UTF-8"),
        ({"toml": 'title = "x"\nwidth = = 3\n'}, "template.toml:2", "Invalid value"),
        ({"toml": 'title = "x"\nwidth = 50\n'}, "template.toml:2", "from 100 to 3840"),
        ({"toml": 'title = "x"\nheight = "630"\n'}, "template.toml:2", "must be a number"),
        ({"toml": "width = 1200\n"}, "template.toml:1", "title is missing"),
        ({"toml": 'title = "x"\nvariable = 3\n'}, "template.toml:2", "variable is not known"),
        ({"toml": 'title = "x"\n[variables.a]\ntype = "text"\n[variables.b]\ntype = "txt"\n'}, "template.toml:5", "type must be one of"),
        ({"toml": 'title = "x"\n[variables.a]\ntype = "text"\nlenght = 3\n'}, "template.toml:4", "lenght is not known"),
        ({"toml": 'title = "x"\n[variables.a]\ntype = "colour"\n\ndefault = "reddish"\n'}, "template.toml:5", "must be a colour"),
        ({"toml": 'title = "x"\n[variables.accent]\ntype = "text"\n'}, "template.toml:3", "type must be colour"),
        ({"toml": 'title = "x"\n[variables.width]\ntype = "number"\n'}, "template.toml:2", "cannot be the name"),
        ({"toml": 'title = "x"\n[variables.self]\ntype = "text"\n'}, "template.toml:2", "cannot be the name"),
        ({"toml": 'title = "x"\n[variables.accent]\ndefault = ""\n'}, "template.toml:3", "default must not be empty"),
        ({"toml": 'title = "x"\n[variables.a]\ntype = "choice"\n'}, "template.toml:2", "choices"),
        ({"html": "<p>\n{% if title %}\n</p>"}, "template.html:3", "endif"),
        ({"html": "<p>\n{{ " + "(" * 3000 + "title" + ")" * 3000 + " }}</p>"}, "template.html:2", "nested too deeply"),
        ({"html": "<p>\n" + "{% if title %}\n" * 300 + "x" + "{% endif %}" * 300}, "template.html:301", "nested too deeply"),
        ({"toml": 'title = "x"\nwidth = ' + "[" * 5000 + "]" * 5000}, "template.toml:2", "nested too deeply"),
        ({"html": "<p>\n{{ titel }}</p>"}, "template.html:2", "no variable titel"),
        ({"html": "<p>\n{{ title|safe }}</p>"}, "template.html:2", "safe"),
        ({"html": "<p>\n{{ title.nothing }}</p>"}, "template.html:2", "nothing"),
        ({"html": '<p>\n\n<img src="x.png"></p>'}, "template.html:3", "x.png cannot be read"),
        ({"html": '<p>\n<img src="../../secret.png"></p>'}, "template.html:2", "must be a file in the template's folder"),
        ({"html": '<p>\n<img src="a\0.png"></p>'}, "template.html:2", "must be a file in the template's folder"),
        ({"html": '<p>\n<img src="https://x.example/a.png"></p>'}, "template.html:2", "a card asks no other server"),
        ({"style_css": "p {\n  background: url(a.png) }"}, "style.css:2", "a.png cannot be read"),
        ({"style_css": '\n@import "a.css";'}, "style.css:2", "@import"),
    ],
)  # fmt: skip
def test_a_template_that_cannot_be_used_names_file_and_line(own, files, where, why):
    with pytest.raises(cards.BrokenTemplate, match=re.escape(why)) as caught:
        own(**files)
    assert str(caught.value).partition(": ")[0].endswith(f"own/{where}")


@pytest.mark.parametrize(
    ("html", "why"),
    [
        ("<p>\n<script>let x = '{{ title }}'</script>", "<script> is not possible"),
        ('<p>\n<p onclick="{{ title }}">', "no value may stand in onclick"),
        ('<p>\n<p style="color: {{ title }}">', "may stand in a style"),
        ('<p>\n<p style="color: {{ title or tint }}">', "may stand in a style"),
        ("<p>\n<p style=\"background: url('{{ picture }}')\">", "may stand in a style"),
        ("<p>\n<style>p { color: {{ title }} }</style>", "may stand in a style"),
        ('<p>\n<a href="{{ title }}">', "may stand in the attribute href"),
        ('<p>\n<svg><path fill="{{ title }}"/></svg>', "may stand in a style"),
        ('<p>\n<p style="width: {{ title|float }}px">', "may stand in a style"),
        ('<p>\n<img src="{{ title }}">', "may stand in the attribute src"),
        ('<p>\n<img src="{{ picture|upper }}">', "may stand in the attribute src"),
        ('<p>\n<img src="{{ picture }}{{ picture }}">', "must be one value as a whole"),
        ('<p>\n<img src="{{ picture }}?x">', "must be one value as a whole"),
        ('<p>\n<img src="#{{ picture }}">', "must be one value as a whole"),
        ("<p>\n<p title={{ title }}>", "not in an attribute without quotes"),
        ("<p>\n<p title=x>", "needs quotes"),
        ("<p>\n<p {{ title }}>", "not in a tag"),
        ("<p>\n<{{ title }}>", None),
        ("<p>\n<!-- {{ title }} -->", "not in a comment"),
        ('<p>\n<p {% if title %}title="{% endif %}">', "each branch must end where it begins"),
        ("<p>\n{% for letter in title %}<p title='{% endfor %}", "each branch must end where it begins"),
        ("<p>\n{% set words = title %}<p style='{{ words }}'>", "may stand in a style"),
        ("<p>\n{% set tint = title %}<p style='color: {{ tint }}'>", "tint is a variable of template.toml"),
        (
            "<p>\n{% for tint in title %}<p style='color: {{ tint }}'>{% endfor %}",
            "tint is a variable of template.toml",
        ),
        (
            "<p>\n{% with tint = title %}<p style='color: {{ tint }}'>{% endwith %}",
            "tint is a variable of template.toml",
        ),
        ("<p>\n<!--><p style='--> {{ title }}'>", "may stand in a style"),
        ("<p>\n<!-- --!><p style='--> {{ title }}'>", "may stand in a style"),
        ("<p>\n<!--!><p style='{{ title }}'> -->", "not in a comment"),
        ("<p>\n{% macro a() %}<p>{% endmacro %}", "macro is not possible"),
        ("<p>\n{% include 'template.toml' %}", "include is not possible"),
        ("<p>\n{% autoescape false %}{{ title }}{% endautoescape %}", "is not possible"),
        ("<p>\n<p title='", "the document ends inside"),
        ("<p>\n<!doctype html>", "without a doctype"),
    ],
)
def test_a_text_cannot_stand_where_it_would_be_a_style_a_url_or_a_script(own, html, why):
    if why is None:  # the letter < before a value is a text
        assert "<&lt;x" in own(html).render(own(html).read({"title": "<x"}))
        return
    with pytest.raises(cards.BrokenTemplate, match=re.escape(why)) as caught:
        own(html)
    assert caught.value.line == 2


def test_a_thumbnail_is_the_picture_of_a_url(own):
    toml = TOML + '\n[variables.page]\ntype = "thumbnail"\n'
    with pytest.raises(
        cards.BrokenTemplate, match=r"template.html:1: page is the URL of a page: page\|thumbnail is its picture"
    ):
        own('<img src="{{ page }}">', toml)
    template = own('{{ page|host }}{% if page|thumbnail %}<img src="{{ page|thumbnail }}">{% endif %}', toml)
    data = template.read({"title": "x", "page": "https://www.example.com/a"})
    assert "example.com<img" not in template.render(data)
    assert 'example.com<img src="data:x">' in template.render(data, {"page": "data:x"})


def test_values_of_a_narrow_type_may_stand_there(own):
    html = """<style>p { color: {{ tint }} }</style><p style="color: {{ tint|readable('#ffffff') if tint else '#000' }}" title="{{ title }}">
{% if picture %}<img alt="" src="{{ picture }}">{% endif %}</p>"""
    template = own(html)
    text = template.render(template.read({"title": '"><script>', "tint": "F00", "picture": "https://x.example/a.png"}))
    assert "p { color: #ff0000 }" in text
    assert 'title="&#34;&gt;&lt;script&gt;"' in text
    assert '<img alt="" src="https://x.example/a.png">' in text


def test_files_of_the_folder_become_part_of_the_card(own):
    template = own('<img src="dot.png" alt="">', dot_png=b"PNG", style_css="p { background: url('dot.png') }")
    text = template.render(template.example)
    assert '<img src="data:image/png;base64,UE5H" alt="">' in text
    assert 'url("data:image/png;base64,UE5H")' in text
    assert not template.needs_network(template.read({"title": "x"}))
    assert template.needs_network(template.read({"title": "x", "picture": "https://x.example/a.png"}))


def test_a_style_may_hold_what_is_computed_of_numbers(own):
    toml = TOML + '\n[variables.part]\ntype = "number"\ndefault = 40\n'
    template = own('<p style="width: {{ part|float * 2 }}%">{{ title }}</p>', toml)
    assert 'style="width: 80.0%"' in template.render(template.read({"title": "x"}))


def test_data_with_which_a_template_fails_are_the_callers_error(own):
    template = own("<p>{{ title[0] }}{{ 1 if title == 'Text' else title[20] }}</p>")
    with pytest.raises(cards.CardError, match=r"^template: own cannot be drawn with these data$"):
        template.render(template.read({"title": "short"}))


def test_hidden_files_are_no_part_of_a_template(own, tmp_path):
    before = own().version
    (tmp_path / "own" / "..2026_11_29").mkdir()
    (tmp_path / "own" / "..2026_11_29" / "template.html").write_text("<p>")
    (tmp_path / "own" / ".DS_Store").write_text("x")
    assert cards.load([tmp_path])["own"].version == before


def test_the_version_changes_with_any_file(own):
    before = own(style_css="p {}").version
    assert own(style_css="p {}").version == before
    assert own(style_css="q {}").version != before
    assert own(style_css="p {}", note_txt="x").version != before


def test_an_own_template_replaces_one_that_comes_along(tmp_path):
    shutil.copytree(cards.BUILT_IN / "quote", tmp_path / "quote")
    (tmp_path / "quote" / "template.html").write_text("<p>{{ quote }}, said {{ author }}</p>")
    templates = cards.load([tmp_path])
    assert set(templates) == set(cards.load())
    assert templates["quote"].version != cards.load()["quote"].version


@pytest.mark.parametrize("name", ["Own", "a_b", "x" * 41])
def test_the_name_of_a_template_can_stand_in_a_url(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "template.html").write_text("<p>")
    with pytest.raises(cards.BrokenTemplate, match="the name of a template"):
        cards.load([tmp_path])


def test_no_process_starts_with_a_broken_template(tmp_path, monkeypatch):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "template.toml").write_text('title = "x"\nwidth = 1\n')
    monkeypatch.setenv("TEMPLATES_DIR", str(tmp_path))
    monkeypatch.setenv("ORIGINALS", "redis")
    with pytest.raises(config.ConfigError, match=r"^TEMPLATES_DIR is invalid: .*/own/template.toml:2: width must be"):
        config.load()


def test_a_folder_that_is_no_template_is_left_alone(tmp_path):
    (tmp_path / "lost+found").mkdir()
    assert list(cards.load([tmp_path])) == list(cards.load())

"""What a template admits as the data of a card."""

import pytest

import cards


@pytest.fixture(scope="module")
def templates():
    return cards.load()


def test_what_is_left_out_and_what_is_at_its_default_is_not_in_the_name(templates):
    article = templates["article"]
    data = article.read({"title": "A  title\n", "author": "", "theme": "light"})
    assert data.values == (("title", "A title"),)
    assert article.target_name(data) == f"card:article@{article.version[:12]}?title=A+title"


def test_a_card_is_made_again_from_its_name(templates):
    data = templates["article"].read({"title": "ß & ؟ = 😀", "theme": "dark"})
    name = templates["article"].target_name(data)
    assert templates.resolve(name) == (templates["article"], data)


@pytest.mark.parametrize(
    "change", [lambda name: name.replace("@", "@0"), lambda name: name.replace("card:article", "card:x")]
)
def test_a_name_of_another_version_or_template_is_refused(templates, change):
    name = templates["article"].target_name(templates["article"].read({"title": "x"}))
    with pytest.raises(cards.CardError, match=r"^template: "):
        templates.resolve(change(name))


def test_all_that_is_wrong_is_listed_at_once(templates):
    with pytest.raises(cards.CardError) as caught:
        templates["article"].read({"titel": "x", "accent": "url(//x)", "theme": "blue", "author": None})
    assert (caught.value.unknown, caught.value.missing) == (("titel",), ("title",))
    assert [each.name for each in caught.value.bad] == ["accent", "theme"]
    assert "theme: must be one of light, dark" in str(caught.value)


@pytest.mark.parametrize("text", ["a\0b", "a\x1bb", "a\x85b", "a\ud800b", "a\ufffeb", "a\ufdd0b"])
def test_control_characters_are_refused(templates, text):
    with pytest.raises(cards.CardError, match=r"^title: must not contain control characters"):
        templates["article"].read({"title": text})


def test_a_long_text_is_refused_with_the_limit(templates):
    with pytest.raises(cards.CardError, match=r"^title: must have at most 300 characters$"):
        templates["article"].read({"title": "x" * 10_000})
    assert templates["article"].read({"title": "x" * 300})


def test_overrides_of_the_direction_do_not_reach_the_card(templates):
    data = templates["article"].read({"title": "\u202eabc\u202c \u2067d\u2069 e\u200ff"})
    assert dict(data.values)["title"] == "abc d e\u200ff"


def test_an_error_repeats_no_more_of_a_name_than_it_must(templates):
    with pytest.raises(cards.CardError) as caught:
        templates["article"].read(
            {"title": "x", "a\n<b>" + "c" * 100: "", **{f"x{number}": "" for number in range(100)}}
        )
    assert caught.value.unknown[0] == "a?<b>" + "c" * 35
    assert len(caught.value.unknown) == 20


@pytest.fixture
def of_type(tmp_path):
    """Read a value of a type: `of_type("number", "12")` returns its canonical text, or why it is refused."""

    def read(kind, value, more=""):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / "template.html").write_text("<p>{{ a }}</p>")
        (tmp_path / "one" / "template.toml").write_text(f'title = "x"\n[variables.a]\ntype = "{kind}"\n{more}\n')
        try:
            return dict(cards.load([tmp_path])["one"].read({"a": value}).values).get("a", "")
        except cards.CardError as err:
            return err.bad[0].reason

    return read


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("number", "12", "12"),
        ("number", " +4.50 ", "4.5"),
        ("number", "-0", "0"),
        ("number", 7, "7"),
        ("number", 1.25, "1.25"),
        ("date", "2026-01-31", "2026-01-31"),
        ("date", "2026-01-31T23:59:00-05:00", "2026-01-31"),
        ("date", "2026-01-31 10:00:00 +0100", "2026-01-31"),
        ("url", "https://example.com/a?b=ü", "https://example.com/a?b=ü"),
        ("image", "http://example.com/a.png", "http://example.com/a.png"),
        ("image", "data:image/png;base64,AAAA", "data:image/png;base64,AAAA"),
        ("colour", "#FfA", "#ffffaa"),
        ("colour", "1A73E8", "#1a73e8"),
        ("colour", " RebeccaPurple ", "#663399"),
        ("boolean", True, "1"),
        ("boolean", "no", "0"),
        ("language", "ZH_hant-tw", "zh-Hant-TW"),
        ("text", 12, "12"),
        ("text", "e\u0301", "é"),
        ("text", "👩🏽\u200d🚀 می\u200cخواهم", "👩🏽\u200d🚀 می\u200cخواهم"),
        ("long text", "a  b\r\n\r\n\r\n\r\nc", "a b\n\nc"),
        ("text", "  ", ""),
    ],
)
def test_a_value_gets_one_form(of_type, kind, value, text):
    assert of_type(kind, value) == text


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("number", "1e400", "must be a number"),
        ("number", "1e-7", "must be a number"),
        ("number", "NaN", "must be a number"),
        ("number", "١٢", "must be a number"),
        ("number", "1_000", "must be a number"),
        ("date", "31.1.2026", "must be a date"),
        ("date", "2026-02-30", "must be a date"),
        ("date", "2026-01-311", "must be a date"),
        ("url", "javascript:alert(1)", "must be an http:// or https:// URL"),
        ("url", "https://user:secret@example.com/", "without a user name"),
        ("url", "https://example.com/ a", "must be an http:// or https:// URL"),
        ("url", 'https://example.com/"onload=', "must be an http:// or https:// URL"),
        ("url", "https:///a", "must be an http:// or https:// URL"),
        ("url", "https://[/", "must be an http:// or https:// URL"),
        ("url", f"https://example.com/{'a' * 2000}", "at most 2,000"),
        ("thumbnail", "data:image/png;base64,AAAA", "must be an http:// or https:// URL"),
        ("image", "javascript:alert(1)", "must be an http:// or https:// URL"),
        ("image", "data:text/html;base64,AAAA", "must be an http:// or https:// URL, or data:image"),
        ("image", "data:image/png;base64,AAA", "data:image"),
        ("image", "data:image/png,<svg>", "data:image"),
        ("image", f"data:image/png;base64,{'A' * 400_000}", "at most 400,000"),
        ("colour", "#12345", "must be a colour"),
        ("colour", "red; background: url(x)", "must be a colour"),
        ("colour", "rgb(1,2,3)", "must be a colour"),
        ("colour", "transparent", "must be a colour"),
        ("boolean", "maybe", "must be 1 or 0"),
        ("language", "en; x", "must be a language"),
        ("text", ["a"], "must be a text"),
        ("text", {"a": 1}, "must be a text"),
        ("text", float("inf"), "must be a text, a number or true or false"),
        ("text", float("nan"), "must be a text, a number or true or false"),
    ],
)
def test_a_value_of_another_kind_is_refused(of_type, kind, value, words):
    assert words in of_type(kind, value)


def test_a_choice_is_one_of_the_words_of_the_template(of_type):
    assert of_type("choice", "b", 'choices = ["a", "b"]') == "b"
    assert of_type("choice", "c", 'choices = ["a", "b"]') == "must be one of a, b"

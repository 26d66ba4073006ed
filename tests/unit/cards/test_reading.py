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

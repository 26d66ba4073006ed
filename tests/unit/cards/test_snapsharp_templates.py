"""SnapSharp's templates, drawn with ours."""

import pytest

import cards

TEMPLATES = cards.load()
IMAGE = "https://x.example/a.png"
# https://snapsharp.dev/docs/og-image: each variable is an optional text.
THEIRS = {
    "blog-post": {
        "title": "A", "author": "B", "date": "2026-03-05", "avatar_url": IMAGE, "reading_time": "5 min", "tag": "C", "bg_color": "#123",
    },
    "social-card": {"title": "A", "description": "B", "logo_url": IMAGE, "site_name": "C", "bg_color": "navy"},
    "product-card": {"name": "A", "tagline": "B", "price": "$9", "image_url": IMAGE, "badge": "C", "bg_color": "#123456"},
    "github-readme": {"repo": "a/b", "description": "B", "stars": "12", "forks": 3, "language": "Go", "owner_avatar": IMAGE},
    "quote-card": {"quote": "A", "author": "B", "role": "C", "avatar_url": IMAGE, "bg_color": "fff"},
}  # fmt: skip


@pytest.mark.parametrize("name", THEIRS)
def test_each_variable_of_its_templates_is_shown(name):
    template, data = cards.read_snapsharp(TEMPLATES, name, THEIRS[name])
    assert len(data.values) == len(THEIRS[name])
    assert template.render(data)


@pytest.mark.parametrize("name", THEIRS)
def test_each_variable_may_be_left_out(name):
    template, data = cards.read_snapsharp(TEMPLATES, name, {"bg_color": None} if name != "github-readme" else {})
    assert "Untitled" in template.render(data)


def test_a_date_in_words_is_shown_as_it_was_written():
    _, data = cards.read_snapsharp(TEMPLATES, "blog-post", {"title": "A", "date": "5 March", "reading_time": "3 min"})
    assert dict(data.values) == {"title": "A", "note": "5 March · 3 min"}


def test_an_error_names_the_variable_as_the_caller_wrote_it():
    with pytest.raises(cards.CardError) as caught:
        cards.read_snapsharp(TEMPLATES, "blog-post", {"bg_color": "red; x", "logo": "x"})
    assert str(caught.value) == "bg_color: must be a colour such as #1a73e8 or teal; unknown: logo"


def test_our_own_templates_have_their_own_variables():
    template, data = cards.read_snapsharp(TEMPLATES, "event", {"title": "A", "date": "2026-01-31"})
    assert (template.name, dict(data.values)["date"]) == ("event", "2026-01-31")
    with pytest.raises(cards.UnknownTemplate, match=r"blog-post, .*event, .*quote-card"):
        cards.read_snapsharp(TEMPLATES, "evnt", {})


def test_all_templates_are_listed_as_snapsharp_does():
    listed = {each["id"]: each for each in cards.list_snapsharp(TEMPLATES)}
    assert set(listed) == {*THEIRS, *TEMPLATES}
    assert {name: set(listed[name]["variables"]) for name in THEIRS} == {
        name: set(given) for name, given in THEIRS.items()
    }
    assert all(
        set(each) == {"id", "name", "description", "variables"} and each["description"] for each in listed.values()
    )

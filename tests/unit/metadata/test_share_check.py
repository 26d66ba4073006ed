"""What each network shows of a shared page, and what is said about its tags and picture."""

import pytest

from metadata.networks import NETWORKS
from metadata.share_check import Layout, Severity, SharedPage, SharePicture, check

TAGS = {
    "title": "Gardens | Example",
    "og:title": "Gardens of the year",
    "og:description": "Twelve gardens, described.",
    "og:image": "https://cdn.example.com/pond.jpg",
    "og:image:width": "1200",
    "og:image:height": "630",
    "og:image:alt": "A pond",
    "twitter:card": "summary_large_image",
}
GOOD = SharePicture("JPEG", 1200, 630, 90_000)


def page(pictures=None, *, without=(), status=200, url="https://www.example.com/gardens", **tags):
    named = {name.replace("__", ":"): text for name, text in tags.items()}
    kept = {name: text for name, text in (TAGS | named).items() if name not in without}
    return SharedPage(url, status, kept, {"og:image": GOOD} if pictures is None else pictures)


def cards(shared):
    return {each.network: each for each in check(shared).cards}


def findings(shared):
    return {each.tag: each for each in reversed(check(shared).findings)}


def layouts(shared):
    return {name: str(card.layout) for name, card in cards(shared).items()}


def test_a_page_with_good_tags_has_large_cards_everywhere_and_nothing_is_found():
    assert check(page()).findings == ()
    assert set(layouts(page()).values()) == {"large"}
    assert set(cards(page())) == {"Facebook", "X", "LinkedIn", "Slack", "Discord", "WhatsApp"}
    assert {card.title for card in cards(page()).values()} == {"Gardens of the year"}


def test_x_prefers_its_own_tags_and_those_that_know_no_twitter_ignore_them():
    shown = cards(
        page(
            {"og:image": GOOD, "twitter:image": GOOD},
            twitter__title="On X",
            twitter__description="Said on X",
            twitter__image="https://cdn.example.com/x.jpg",
        )
    )
    assert (shown["X"].title, shown["X"].picture) == ("On X", "twitter:image")
    assert (shown["Facebook"].title, shown["Facebook"].picture) == ("Gardens of the year", "og:image")
    assert (shown["Discord"].title, shown["Discord"].picture) == ("Gardens of the year", "og:image")


def test_twitter_tags_alone_are_read_by_x_slack_and_discord_only():
    shared = page({"twitter:image": GOOD}, without=["og:image"], twitter__image="https://cdn.example.com/x.jpg")
    assert {name for name, layout in layouts(shared).items() if layout != "text"} == {"X", "Slack", "Discord"}
    assert findings(shared)["og:image"].networks == ("Facebook", "LinkedIn", "WhatsApp")


def test_x_shows_a_description_beside_a_small_picture_alone_and_linkedin_none():
    assert cards(page())["X"].description == ""
    assert cards(page(without=["twitter:card"]))["X"].description == "Twelve gardens, described."
    assert {cards(each)["LinkedIn"].description for each in (page(), page({}))} == {""}
    assert cards(page())["WhatsApp"].description == "Twelve gardens, described."


def test_without_twitter_card_x_and_discord_show_a_small_picture():
    shared = page(without=["twitter:card"])
    assert {name for name, layout in layouts(shared).items() if layout == "small"} == {"X", "Discord"}
    assert findings(shared)["twitter:card"].networks == ("X", "Discord")
    assert "summary_large_image" in findings(shared)["twitter:card"].text


def test_a_summary_is_small_in_slack_too():
    assert cards(page(twitter__card="summary"))["Slack"].layout is Layout.SMALL
    assert findings(page(twitter__card="large"))["twitter:card"].text.startswith("twitter:card is “large”")


@pytest.mark.parametrize(
    ("picture", "text_only", "small"),
    [
        (SharePicture("PNG", 199, 199, 9_000), {"Facebook", "LinkedIn"}, {"X", "WhatsApp"}),
        (SharePicture("PNG", 200, 200, 9_000), set(), {"Facebook", "LinkedIn", "X", "WhatsApp"}),
        (SharePicture("PNG", 599, 315, 9_000), set(), {"Facebook"}),
        (SharePicture("PNG", 1200, 630, 700_000), {"WhatsApp"}, set()),
        (SharePicture("PNG", 1200, 630, 6_000_000), {"WhatsApp", "X", "LinkedIn"}, set()),
        (SharePicture("AVIF", 1200, 630, 9_000), {"WhatsApp", "X", "LinkedIn", "Facebook", "Slack"}, set()),
        (SharePicture("PNG", 1500, 300, 9_000), {"WhatsApp"}, {"Facebook"}),
    ],
)
def test_the_size_weight_and_format_of_the_picture_decide(picture, text_only, small):
    shared = page({"og:image": picture})
    assert {name for name, layout in layouts(shared).items() if layout == "text"} == text_only
    assert {name for name, layout in layouts(shared).items() if layout == "small"} == small
    bad = {name for each in check(shared).findings if each.level is Severity.BAD for name in each.networks}
    assert bad == text_only


def test_a_square_picture_loses_half_of_itself_in_large_cards():
    found = list(check(page({"og:image": SharePicture("PNG", 1000, 1000, 9_000)})).findings)
    assert [each.networks for each in found if "cut off" in each.text] == [("Facebook", "LinkedIn", "WhatsApp"), ("X",)]
    assert any(each.text.startswith("48 % of the picture") for each in found)


@pytest.mark.parametrize("written", ["/pond.jpg", "//cdn.example.com/pond.jpg", "data:image/png;base64,AA", "pond"])
def test_a_picture_without_scheme_and_host_is_not_shown(written):
    shared = page({}, og__image=written)
    assert set(layouts(shared).values()) == {"text"}
    assert findings(shared)["og:image"].level is Severity.BAD
    assert written in findings(shared)["og:image"].text


def test_a_picture_by_http_is_warned_of_unless_a_secure_one_is_named():
    by_http = {"og__image": "http://cdn.example.com/pond.jpg"}
    assert findings(page(**by_http))["og:image"].level is Severity.WARN
    assert "og:image" not in findings(page(**by_http, og__image__secure_url="https://cdn.example.com/pond.jpg"))


def test_a_picture_that_could_not_be_fetched_is_said_once_for_all_networks():
    shared = page({"og:image": SharePicture(problem="could not be fetched")})
    assert set(layouts(shared).values()) == {"text"}
    assert [each.text for each in check(shared).findings] == ["The picture of og:image could not be fetched."]


def test_what_stands_in_for_missing_words_is_said():
    shared = page(without=["og:title", "og:description"], description="Of the page")
    assert cards(shared)["Facebook"].title == "Gardens | Example"
    assert cards(shared)["Facebook"].description == "Of the page"
    assert (findings(shared)["og:title"].level, findings(shared)["og:description"].level) == (
        Severity.WARN,
        Severity.NOTE,
    )


def test_a_page_that_says_nothing_is_shown_by_its_host():
    shared = SharedPage("https://www.example.com/", tags={"title": ""})
    assert {card.title for card in cards(shared).values()} == {"example.com"}
    assert [each.level for each in check(shared).findings][:2] == [Severity.BAD, Severity.BAD]


def test_long_titles_are_cut_where_each_network_cuts_them():
    shared = page(og__title="word " * 30)
    shown = cards(shared)
    assert len(shown["X"].title) <= 70 < len(shown["Facebook"].title) <= 100 < len(shown["LinkedIn"].title)
    assert shown["X"].title.endswith("…")
    assert {each.networks for each in check(shared).findings} == {("X", "WhatsApp", "Facebook")}


def test_sizes_that_the_page_announces_wrongly_or_not_at_all_are_named():
    assert findings(page(without=["og:image:width"]))["og:image:width"].networks == ("Facebook",)
    assert "1200 × 630" in findings(page(og__image__width="600"))["og:image:width"].text


def test_an_error_another_address_and_a_broken_one_are_named():
    assert findings(page(status=404))[""].level is Severity.BAD
    assert findings(page(og__url="https://other.example/"))["og:url"].level is Severity.NOTE
    assert "og:url" not in findings(page(og__url="https://WWW.example.com/other"))
    assert findings(page(og__url="/gardens"))["og:url"].level is Severity.WARN
    assert findings(page(og__url="https://[/"))["og:url"].level is Severity.NOTE


def test_every_network_has_a_row_whose_limits_agree():
    for each in NETWORKS:
        assert each.least <= each.large
        assert each.titles[-1] == "title"
        assert "og:image" in each.pictures

"""Many sites are changed or removed in one transaction: all of them or none."""

import pytest

from errors import InvalidOption
from sites import Catalogue, Database, SiteDraft


@pytest.fixture
def removed():
    return []


@pytest.fixture
def catalogue(database_url, removed):
    database = Database(database_url)
    yield Catalogue(
        database, lambda _schedule, _after: None, on_removed=lambda id_, numbers: removed.append((id_, list(numbers)))
    )
    database.close()


@pytest.fixture
def ids(catalogue):
    drafts = [SiteDraft(f"https://site-{number}.example/", tags=("old",)) for number in range(120)]
    return [site.id for site in catalogue.add_many(drafts, capture=False)]


def test_sites_are_changed_as_each_of_them_needs(catalogue, ids):
    before = catalogue.change_all([*ids, 10**6, -1], lambda site: {"tags": (*site.tags, f"id-{site.id}")})
    assert [site.tags for site in before] == [("old",)] * 120
    for id_ in (ids[0], ids[-1]):
        assert catalogue.get(id_).tags == (f"id-{id_}", "old")
        assert catalogue.get(id_).revision == 2
    assert catalogue.counts().due == 0  # neither is a reason for a capture


def test_one_site_that_refuses_leaves_all_as_they_are(catalogue, ids):
    def decide(site):
        if site.id == ids[-1]:
            raise InvalidOption("must be at most 20 tags", field="tags")
        return {"paused": True}

    with pytest.raises(InvalidOption):
        catalogue.change_all(ids, decide)
    assert catalogue.counts().paused == 0


def test_sites_are_removed_and_whoever_shows_them_is_told(catalogue, ids, removed):
    gone = catalogue.remove_all([ids[0], ids[1], ids[1], 10**6])
    assert [site.id for site in gone] == ids[:2]
    assert removed == [(ids[0], []), (ids[1], [])]
    assert catalogue.counts().total == 118
    assert catalogue.remove_all(ids[:2]) == []


def test_more_than_a_thousand_are_refused(catalogue):
    for change in (lambda ids: catalogue.change_all(ids, lambda _: {}), catalogue.remove_all):
        with pytest.raises(InvalidOption):
            change(range(1, 1002))

"""Pictures that pages name come through the outlet where one is configured, and no other way."""

import pytest

import services
from config import Settings
from errors import NoOgImage
from options import LinkedPicture, PageMetadata
from tests.support import pictures
from tests.support.engine import running_engine
from tests.support.processes import free_port


@pytest.fixture
def preview_of(settings, web, resolver):
    """A function that fetches the preview of a page through the outlet at an address."""
    made = []

    def preview_of(outlet):
        host, _, port = outlet.rpartition(":")
        exempt = (f"127.0.0.1:{web.port}",)
        made.append(
            services.build(
                Settings.of(**settings | {"private_targets": exempt, "lists_egress": (host, int(port))}), resolver
            )
        )
        page = PageMetadata(image=LinkedPicture(f"http://127.0.0.1:{web.port}/og"))
        return made[-1].previews.source.fetch(page, any_size=False)

    yield preview_of
    for each in made:
        each.close()


def test_a_picture_comes_through_the_outlet(web, preview_of):
    web.add("/og", pictures.photo(600, 315))
    with running_engine("engine.outlet", PRIVATE_TARGETS=f"127.0.0.1:{web.port}", ENGINE_PORT=0) as outlet:
        assert preview_of(outlet.url.removeprefix("http://")).width == 600


def test_the_outlet_judges_once_more_and_without_it_nothing_is_fetched(web, preview_of):
    web.add("/og", pictures.photo(600, 315))
    with running_engine("engine.outlet", ENGINE_PORT=0) as outlet, pytest.raises(NoOgImage):
        preview_of(outlet.url.removeprefix("http://"))
    with pytest.raises(NoOgImage):
        preview_of(f"127.0.0.1:{free_port()}")
    assert web.requests == []

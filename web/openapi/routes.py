"""The table of routes, one row each. A test compares it with the routes that the application has.

A route that `web.ui` or `web.admin` answers needs no row: pages are for people, and so are their files. What other sites
load needs one, though `web.ui` answers it: cards and the script. No row is needed for an
address of another service, which `DIALECTS` switches on and which that service describes.
"""

from web.openapi.card_routes import CARDS
from web.openapi.catalogue_routes import CATALOGUE
from web.openapi.contract_routes import CONTRACT
from web.openapi.job_routes import JOBS
from web.openapi.metadata_routes import METADATA
from web.openapi.row import Route
from web.openapi.service_routes import SERVICE
from web.openapi.thumbnail_routes import THUMBNAILS

ROUTES: tuple[Route, ...] = (*THUMBNAILS, *METADATA, *CARDS, *JOBS, *CATALOGUE, *CONTRACT, *SERVICE)

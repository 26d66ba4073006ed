"""The OpenAPI document of the service, from the table of routes, the options and the types of errors."""

from web.openapi.document import Installation, build_document, path_of_rule
from web.openapi.routes import ROUTES
from web.openapi.views import blueprint

__all__ = ["ROUTES", "Installation", "blueprint", "build_document", "path_of_rule"]

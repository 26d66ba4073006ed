"""Says what went wrong in words that an assistant can act on, without a traceback and without keys."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from thumbnail_client import ServiceError, Unreachable

from thumbnail_mcp.pictures import NothingToShow

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")

_WHAT_TO_DO = {
    "key_required": "The operator of this tool sets THUMBNAIL_API_KEY",
    "bad_key": "The operator of this tool corrects THUMBNAIL_API_KEY",
    "bad_signature": "The operator of this tool sets THUMBNAIL_SIGNING_KEY to one of the service's SIGNING_KEYS",
}


def in_words(err: ServiceError) -> str:
    """Tell an error of the service: what is wrong, its code, its field, and when a retry may help."""
    facts = [f"code {err.code}", f"status {err.status}"] + ([f"field {err.field}"] if err.field else [])
    return f"{err.detail} ({', '.join(facts)}). {_what_to_do(err)}."


def _what_to_do(err: ServiceError) -> str:
    if err.retry_after is not None:
        return f"Retry after {err.retry_after:g} seconds"
    if err.retryable:
        return "The same call may work later"
    return _WHAT_TO_DO.get(err.code, "The same call would fail again")


def telling_errors(tool: Callable[_Arguments, _Answer]) -> Callable[_Arguments, _Answer]:
    """Turn errors of the service, and of arguments that no schema can forbid, into errors of the tool."""

    @functools.wraps(tool)
    def told(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Answer:
        try:
            return tool(*args, **kwargs)
        except ServiceError as err:
            raise ToolError(in_words(err)) from None
        except Unreachable as err:
            raise ToolError(
                f"{err}. The operator of this tool checks THUMBNAIL_URL, and that the service runs."
            ) from None
        except (NothingToShow, ValueError) as err:  # ValueError: a line break in an option that is signed
            raise ToolError(str(err)) from None

    return told

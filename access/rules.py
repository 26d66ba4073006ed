"""Access rules: API keys, signatures, allowed targets and sizes. Each is off until it is set. Knows no HTTP."""

from dataclasses import dataclass, field

from access.blocked import BlockedTargets
from access.clients import client_of
from access.keys import ApiKey, find_key
from access.signatures import require_signature, sign
from errors import BadKey, ForbiddenHost, InvalidOption, KeyRequired
from model import ThumbnailRequest
from options import Document, Rendition, Target

Size = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class AccessRules:
    """The rules of one installation. `sizes` is the ladder of output sizes."""

    keys: tuple[ApiKey, ...] = ()
    signing_keys: tuple[str, ...] = field(default=(), repr=False)
    targets: tuple[str, ...] = ()
    sizes: frozenset[Size] = frozenset()
    blocked: BlockedTargets = field(default_factory=BlockedTargets, compare=False)

    def require_allowed(self, query: bytes, request: ThumbnailRequest) -> None:
        """Raise an error unless every caller may GET this picture: signature, size and target are checked."""
        require_signature(self.signing_keys, query, request.delivery.expires)
        self.require_size(request.rendition)
        self.require_target(request.target)

    def signed(self, options: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the options of a URL of ours, with a signature if URLs need one."""
        return [*options, ("sig", sign(self.signing_keys[0], options))] if self.signing_keys else options

    def identify(self, authorization: str | None, api_key: str | None) -> ApiKey | None:
        """Find the key that a caller sent, if any. Raises BadKey."""
        return find_key(self.keys, authorization, api_key)

    def require_key(self, key: ApiKey | None, what: str) -> None:
        """Raise KeyRequired if `what` needs an API key and the caller sent none.

        If signing keys are set, every unsigned request needs an API key, even if none is set.
        """
        if (self.keys or self.signing_keys) and key is None:
            raise KeyRequired(f"{what} needs an API key; send `Authorization: Bearer <key>` or `X-API-Key`")

    def find_client(self, named: str) -> tuple[str, str | None]:
        """Return the client that an operator has named, by its address or its key's name, and its own limit of captures.

        Raises InvalidOption.
        """
        key = next((each for each in self.keys if each.name == named.removeprefix("key:")), None)
        if key is not None:
            return f"key:{key.name}", key.limit
        address = client_of(named)
        if address == "unknown":
            raise InvalidOption("must be an address, or the name of an API key", field="client")
        return address, None

    @property
    def restricted(self) -> bool:
        """Whether callers must show who they are, by a key or a signature."""
        return bool(self.keys or self.signing_keys)

    def identify_person(self, typed: str) -> ApiKey | None:
        """Find the API key that a person has typed into a form, None for a signing key. Raises BadKey or KeyRequired.

        A signing key will do, since its holder can sign any URL.
        """
        if not typed:
            raise KeyRequired("is needed here; enter one of this service", field="key")
        signers = tuple(ApiKey("", secret) for secret in self.signing_keys)
        try:
            found = find_key((*self.keys, *signers), None, typed)
        except BadKey:
            raise BadKey("is unknown here; check what you entered", field="key") from None
        return found if found in self.keys else None

    def require_target(self, target: Target) -> None:
        """Raise TakenDown if the page is blocked, and ForbiddenHost unless its host is one of the allowed targets."""
        if target.is_document:  # no site's page
            return
        self.blocked.require_shown(target)
        if self.targets and not any(_matches(pattern, target.host) for pattern in self.targets):
            raise ForbiddenHost("this service captures only hosts that its operator allows", field="url")

    def require_network(self, document: Document) -> None:
        """Raise ForbiddenHost for a document with a network, which can show any site, where few hosts are allowed."""
        if self.targets and document.network:
            raise ForbiddenHost("this service captures only hosts that its operator allows", field="network")

    def require_size(self, rendition: Rendition) -> None:
        """Raise InvalidOption for a size that is not on the ladder."""
        size = rendition.w, rendition.h
        if self.sizes and size != (None, None) and size not in self.sizes:
            ladder = ", ".join(sorted((_write_size(w, h) for w, h in self.sizes), key=lambda text: (len(text), text)))
            raise InvalidOption(f"must be one of {ladder}", field="w, h")


def parse_size(entry: str) -> Size:
    """Read `320`, `320x180` or `x180`, which the settings have checked; None for a side that is left out."""
    width, _, height = entry.partition("x")
    return int(width) if width else None, int(height) if height else None


def _write_size(width: int | None, height: int | None) -> str:
    return f"{width or ''}x{height}" if height else str(width)


def _matches(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return host == pattern

"""How an option is declared: as a field of a dataclass. Its metadata holds everything besides type and default."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from options.kinds import Choice, Kind, Number, Selector, Whole, either
from options.target import Target

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

REQUIRED: Any = MISSING


@dataclass(frozen=True, slots=True)
class Param:
    """How a screenshot API names an option, and which values it accepts.

    A value equal to `default`, the API's own, is not sent, so that plans without the option still work. `limits` are
    those of a number, or of a text's length. `values` translates our values to the API's, if it accepts only these.
    """

    name: str
    default: object = None
    limits: tuple[int, int] | None = None
    values: Mapping[object, object] | None = None
    write: Callable[[object], object] = lambda value: value

    def accepts(self, value: object) -> bool:
        if self.values is not None:
            return value in self.values
        size = len(value) if isinstance(value, str) else value
        return self.limits is None or not isinstance(size, int | float) or self.limits[0] <= size <= self.limits[1]

    @property
    def words(self) -> str:
        """The accepted values, for error texts."""
        if self.values is not None:
            return either(tuple(self.values))
        return f"{self.limits[0]} to {self.limits[1]}" if self.limits else "any value"


LEFT_OUT = Param("")  # this API lacks the option, which only improves pictures: it is dropped, without an error


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    `meaning` is the docs' description. `default_words` describes a default that is not a plain value. `setting` names
    the setting that replaces the default, `allowed_by` the one without which callers may not set the option. Signatures
    cover only options that are `signed`. `apis` holds a Param for each screenshot API that has the option. `attribute`
    is the dataclass's field, `name` what callers write. A value that may be a secret is not `shown` when the dataclass is printed. Unless it is `public` all the same, it comes by
    POST alone, and its picture is the caller's own.
    """

    kind: Kind
    meaning: str = ""
    default_words: str = ""
    setting: str = ""
    allowed_by: str = ""
    signed: bool = True
    apis: Mapping[str, Param] = dataclasses.field(default_factory=dict)
    attribute: str = ""
    name: str = ""
    default: Any = None
    shown: bool = True
    public: bool = False

    @property
    def private(self) -> bool:
        return not self.shown and not self.public

    @property
    def required(self) -> bool:
        return self.default is MISSING

    def param(self, api: str) -> Param | None:
        """Return the option as `api` has it, or None. The engine's contract is SnapSharp's with additions."""
        own = self.apis.get(api)
        return self.apis.get("snapsharp") if own is None and api == "engine" else own

    def kind_for(self, api: str) -> Kind:
        """Return the kind of value within the limits of `api`."""
        param = self.param(api) or Param("")
        match self.kind:
            case Whole() | Number() as kind if param.limits:
                return dataclasses.replace(kind, low=param.limits[0], high=param.limits[1])
            case Selector() as kind if param.limits:
                return dataclasses.replace(kind, longest=param.limits[1])
            case Choice() if param.values:
                return Choice(tuple(map(str, param.values.values())))
        return self.kind

    def default_for(self, api: str) -> Any:
        """Return the value that `api` assumes if none is sent."""
        param = self.param(api)
        return self.default if param is None or param.default is None else param.default


def option(
    default: Any, kind: Kind, meaning: str = "", *, name: str = "", apis: Mapping[str, Param] | None = None, **more: Any
) -> Any:
    """Declare an option as a field of a dataclass. Without a `meaning` it is internal: callers cannot set it."""
    declared = Option(kind, meaning, name=name, apis=apis or {}, **more)
    return dataclasses.field(default=default, repr=declared.shown, metadata={"option": declared})


@cache
def options_of(group: "type[DataclassInstance]") -> tuple[Option, ...]:
    """Return the options that a dataclass declares, in their order."""
    return tuple(
        dataclasses.replace(declared, attribute=each.name, name=declared.name or each.name, default=each.default)
        for each in dataclasses.fields(group)
        if (declared := each.metadata.get("option"))
    )


def callers_options(group: "type[DataclassInstance]") -> tuple[Option, ...]:
    """Return the options that callers may set. An internal option may share its name, as `CaptureOptions.format` does."""
    return tuple(each for each in options_of(group) if each.meaning)


def chosen(options: "DataclassInstance") -> dict[str, Any]:
    """Return the values that differ from the defaults, in JSON's types. Keys and stored records are made from them.

    A new option therefore changes neither for requests that do not use it.
    """
    values = {
        name: value for attribute, name, default in _defaults(type(options))
        if (value := getattr(options, attribute)) != default
    }  # fmt: skip
    if isinstance(target := values.get("url"), Target):
        values["url"] = target.url
    return values


@cache
def _defaults(group: "type[DataclassInstance]") -> tuple[tuple[str, str, object], ...]:
    names = {each.attribute: each.name for each in options_of(group)}
    return tuple((each.name, names.get(each.name, each.name), each.default) for each in dataclasses.fields(group))

"""How an option is declared: a field of a dataclass, whose metadata holds what is known besides its type and default."""

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
    """How one of our options is written for a screenshot API."""

    name: str
    default: object = None  # the API's own: such a value is not sent, so that a plan without the option still works
    limits: tuple[int, int] | None = None  # of a number, or of a text's length
    values: Mapping[object, object] | None = None  # ours → theirs, where the API knows only these
    write: Callable[[object], object] = lambda value: value

    def takes(self, value: object) -> bool:
        if self.values is not None:
            return value in self.values
        size = len(value) if isinstance(value, str) else value
        return self.limits is None or not isinstance(size, int | float) or self.limits[0] <= size <= self.limits[1]

    @property
    def words(self) -> str:
        """What it takes, for error texts."""
        if self.values is not None:
            return either(tuple(self.values))
        return f"{self.limits[0]} to {self.limits[1]}" if self.limits else "any value"


LEFT_OUT = Param("")  # for an improvement: an API that lacks it captures without it, and nobody is told


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `meaning` is for the docs; so is `default_words`, where the default is not a plain value.

    `setting` names the setting that replaces the default. A signature does not cover an option that is not `signed`.
    `apis` holds a Param for each API that has the option.
    """

    kind: Kind
    meaning: str = ""
    default_words: str = ""
    setting: str = ""
    signed: bool = True
    apis: Mapping[str, Param] = dataclasses.field(default_factory=dict)
    attribute: str = ""
    name: str = ""
    default: Any = None

    @property
    def required(self) -> bool:
        return self.default is MISSING

    def param(self, api: str) -> Param | None:
        """Give what `api` calls it; None where it has no such option. The engine's contract is SnapSharp's, and more."""
        own = self.apis.get(api)
        return self.apis.get("snapsharp") if own is None and api == "engine" else own

    def kind_for(self, api: str) -> Kind:
        """Give the kind as `api` limits it."""
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
        """Give the value that `api` takes where none is sent."""
        param = self.param(api)
        return self.default if param is None or param.default is None else param.default


def option(
    default: Any, kind: Kind, meaning: str = "", *, name: str = "", apis: Mapping[str, Param] | None = None, **more: Any
) -> Any:
    """Declare a field of a dataclass of options. One without a `meaning` is ours alone: callers cannot set it."""
    told = Option(kind, meaning, name=name, apis=apis or {}, **more)
    return dataclasses.field(default=default, metadata={"option": told})


@cache
def options_of(group: "type[DataclassInstance]") -> tuple[Option, ...]:
    """Give the options that a dataclass declares, in order."""
    return tuple(
        dataclasses.replace(told, attribute=each.name, name=told.name or each.name, default=each.default)
        for each in dataclasses.fields(group)
        if (told := each.metadata.get("option"))
    )


def callers_options(group: "type[DataclassInstance]") -> tuple[Option, ...]:
    """Give those that callers may set. The others may share a name with one of these: `CaptureOptions.format`."""
    return tuple(each for each in options_of(group) if each.meaning)


def chosen(options: "DataclassInstance") -> dict[str, Any]:
    """Give the values that differ from the defaults, in JSON's types: what keys and records are made of.

    An option that is added later changes nothing here for a request that does not use it.
    """
    told = {
        name: value for attribute, name, default in _defaults(type(options))
        if (value := getattr(options, attribute)) != default
    }  # fmt: skip
    if isinstance(target := told.get("url"), Target):
        told["url"] = target.url
    return told


@cache
def _defaults(group: "type[DataclassInstance]") -> tuple[tuple[str, str, object], ...]:
    names = {each.attribute: each.name for each in options_of(group)}
    return tuple((each.name, names.get(each.name, each.name), each.default) for each in dataclasses.fields(group))

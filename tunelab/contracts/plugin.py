"""A plugin: hyperparameters as fields, each with its bounds, its default and, where worth it, its range."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tunelab.errors import PluginError, SpaceError, suggestion
from tunelab.space import Choice, Float, FromTrials, Int, Range

_LENIENT = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)


class Plugin(BaseModel):
    """A frozen record of hyperparameters; optimizers, schedules, models and data sets are plugins.

    Raises:
        PluginError: an unknown field, or a value outside its bounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

    def __init__(self, **fields: Any) -> None:
        unknown = [name for name in fields if name not in type(self).model_fields]
        if unknown:
            raise PluginError(f"{type(self).__name__} has no field {unknown[0]!r}; {self._known(unknown[0])}")
        ranges = [
            name
            for name, value in fields.items()
            if isinstance(value, Range | Search) or (type(self)._holds_plugin(name) and _names_plugins(value))
        ]
        if ranges:
            raise PluginError(
                f"{type(self).__name__}({ranges[0]}={fields[ranges[0]]!r}) is a fixed instance and takes values only; "
                f"write {self._searching(ranges[0])} to search it"
            )
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise PluginError(f"{type(self).__name__}: {_first(error)}") from None

    @classmethod
    def search(cls, **fields: "Value | Range | Plugin | type[Plugin] | Search") -> "Search":
        """Return this plugin with every field open that has a range of its own, but for the fields given here.

        A range given here is always searched; those of its own that a study has too few trials for (`from_trials`)
        stay at their defaults.

        Args:
            fields: a value fixes a field, a range searches it.

        Raises:
            PluginError: an unknown field, or a value or an end of a range outside the field's bounds.
        """
        own = cls.ranges()
        return Search(cls, own | fields, frozenset(own.keys() - fields.keys()))

    @classmethod
    def ranges(cls) -> "dict[str, Range | Search]":
        """Return the fields that have a range of their own, or a plugin to search, with it."""
        found = {}
        for name, info in cls.model_fields.items():
            own = [extra for extra in info.metadata if isinstance(extra, Range | Search)]
            if own:
                found[name] = own[0]
        return found

    @classmethod
    def from_trials(cls) -> dict[str, int]:
        """Return the fields whose own range is searched from so many trials on; the others' always is."""
        marks = ((name, mark) for name, info in cls.model_fields.items() for mark in info.metadata)
        return {name: mark.trials for name, mark in marks if isinstance(mark, FromTrials)}

    @classmethod
    def label(cls) -> str:
        """Return what an experiment calls the plugin where it is not announced under a name."""
        return cls.__name__.lower()

    @classmethod
    def made_of(cls) -> "tuple[type[Plugin], Any] | None":
        """Return which class made this one, and of what (`Foreign.of`); None for one that is written out."""
        return None

    @classmethod
    def check(cls, name: str, value: Any) -> Any:
        """Return `value` as the field `name` holds it; a range, if all of it may stand there.

        Raises:
            PluginError: an unknown field, or a value outside its bounds.
        """
        info = cls.model_fields.get(name)
        if info is None:
            raise PluginError(f"{cls.__name__} has no field {name!r}; {cls._known(name)}")
        if cls._holds_plugin(name) and _names_plugins(value):
            return value
        try:
            return _taken(value, cls.adapter(name))
        except ValidationError as error:
            given = f"={value!r}" if isinstance(value, Range) else ""
            raise PluginError(f"{cls.__name__}: {name}{given}: {_first(error)}") from None

    @classmethod
    @cache
    def adapter(cls, name: str) -> "TypeAdapter[Any]":
        """Return what validates and serialises one field alone."""
        declared: tuple[Any, ...] = (cls.model_fields[name].annotation, *cls.model_fields[name].metadata)
        try:
            return _adapter(*declared)
        except TypeError:  # a range that is a search cannot be hashed
            return _adapter.__wrapped__(*declared)

    @classmethod
    def _holds_plugin(cls, name: str) -> bool:
        annotation = cls.model_fields[name].annotation
        return isinstance(annotation, type) and issubclass(annotation, Plugin)

    @classmethod
    def _searching(cls, name: str) -> str:
        return f"{cls.__name__}.search({name}=...)"

    @classmethod
    def _known(cls, name: str) -> str:
        return suggestion(name, cls.model_fields)

    __str__ = BaseModel.__repr__

    def numbers(self) -> dict[str, float]:
        """Return the float fields, which may differ between the members of one population."""
        return {name: value for name, value in self if isinstance(value, float)}

    def parts(self) -> dict[str, "Plugin"]:
        """Return the fields that hold a plugin, which has numbers of its own."""
        return {name: value for name, value in self if isinstance(value, Plugin)}

    def structure(self) -> tuple[Any, ...]:
        """Return the class and the fields that the members of one population share; all of it must be hashable."""
        shared = self.parts().keys() | self.numbers().keys()
        parts = ((name, part.structure()) for name, part in self.parts().items())
        return (type(self), *parts, *((name, value) for name, value in self if name not in shared))


Value = str | int | float | bool | None


@dataclass(frozen=True)
class Search:
    """A plugin whose fields are fixed or searched: what `Plugin.search` returns.

    Attributes:
        plugin: the class.
        fields: a value, a range, a plugin or another search for every field that is not left at its default.
        own: the fields whose range is the plugin's own, which nobody asked for by name.
    """

    plugin: type[Plugin]
    fields: Mapping[str, Any] = field(default_factory=dict)
    own: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        checked = {name: self.plugin.check(name, value) for name, value in self.fields.items()}
        object.__setattr__(self, "fields", checked)

    def __reduce__(self) -> Any:
        """Pickle what the class is made of, where it has no place of its own."""
        made = self.plugin.made_of()
        return (_search, (self.plugin, None, self.fields, self.own) if made is None else (*made, self.fields, self.own))

    def __repr__(self) -> str:
        return f"{self.plugin.__name__}.search({', '.join(f'{name}={value!r}' for name, value in self.fields.items())})"


def _search(plugin: Any, target: Any, fields: Mapping[str, Any], own: frozenset[str]) -> Search:
    return Search(plugin if target is None else plugin.of(target), fields, own)


INSIDE = 0.3819
"""How far into a range of real numbers a third sample lies: where no whole number is, unless by intent."""


@cache
def _adapter(annotation: Any, *metadata: Any) -> "TypeAdapter[Any]":
    """Return the adapter of every field that is declared like this: one is 0.2 ms, and many fields are alike."""
    field: Any = Annotated[annotation, Field(), *metadata]
    has_its_own = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return TypeAdapter(field, config=None if has_its_own else _LENIENT)


def _names_plugins(value: Any) -> bool:
    """Return whether plugins are named, or given as classes: an experiment opens them (`encoding.node_of`)."""
    options = value.options if isinstance(value, Choice) else (value,)
    return any(isinstance(option, str | type) for option in options)


def _taken(value: Any, adapter: "TypeAdapter[Any]") -> Any:
    """Return the value as the field takes it; searches, and ranges whose samples pass, as they are."""
    if isinstance(value, Choice):
        return Choice(*(_label(_taken(option, adapter)) for option in value.options))
    if isinstance(value, Float | Int):
        between = (value.at(INSIDE),) if isinstance(value, Float) else ()
        for sample in (value.low, value.high, *between):
            adapter.validate_python(sample)
        return value
    if isinstance(value, Search):
        adapter.validate_python(value.plugin.model_construct())  # is there room for a plugin of this class?
        return value
    return adapter.validate_python(value)


def _label(option: Any) -> Any:
    if not isinstance(option, Value | Plugin | Search):
        raise SpaceError(f"a Choice takes text, numbers, True, False, None and plugins; one option was {option!r}")
    return option


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    message = first["msg"][0].lower() + first["msg"][1:]
    return f"{where}: {message}, was {first['input']!r}" if where else f"{message}, was {first['input']!r}"

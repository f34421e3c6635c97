"""A plugin around a class or a function that knows nothing of tunelab: its parameters are the fields."""

import inspect
import types
from collections.abc import Callable, Collection, Mapping
from functools import cache, reduce
from operator import or_
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Self, Union, get_args, get_origin

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from tunelab.contracts.places import found_at, place_of
from tunelab.contracts.plugin import Plugin, Search
from tunelab.errors import PluginError

Atom = bool | int | float | str | None
Plain = Atom | tuple[Atom, ...]
"""What a parameter without an annotation takes."""


class Foreign(Plugin):
    """A plugin made of somebody's class or function, whose parameters with plain values are the fields.

        class TorchOptimizer(Foreign, Rule): ...

        TorchOptimizer(torch.optim.AdamW, lr=1e-3)                                  # fixed
        TorchOptimizer.search(torch.optim.AdamW, lr=Float(1e-4, 1e-1, log=True))    # searched

    `of` makes a class of its own for each target, and these two spell it. The fields are those of any plugin: a
    parameter without a default is required, an annotation such as `float`, `Literal["relu", "tanh"]` or
    `Annotated[int, Int(8, 64)]` says what it takes and where it is searched, and one without takes any plain value: a
    number, text, True, False, None, or a tuple of these. A parameter with another default (a class, say) keeps it. A
    parameter that is called like something that every such plugin has (`copy`, `loss`) becomes a field with an
    underscore behind (`copy_`).

    A subclass may as well be written out: with a `target`, as "module:name" if importing it is slow, and fields.

    In JSON it is `{"plugin": "...:TorchOptimizer", "of": "torch.optim.adamw:AdamW", "fields": {...}}`.

    Attributes:
        target: the class or function, or where it is found; None in a class that is made of nothing yet.
        maker: the class whose `of` made this one; None in one that is written out.
        spelt: the parameter that each field stands for, where it is called otherwise.
        kept: parameters that are no fields, and what they stay at.

    Raises:
        PluginError: what has no parameters to read, or a field that it does not have.

    >>> import random
    >>> class Drawn(Foreign):
    ...     def value(self, seed):
    ...         return self.call(random.Random(seed))
    ...     @classmethod
    ...     def supplied(cls, names):
    ...         return names[:1]
    >>> def between(generator, low: float = 0.0, high: float = 1.0):
    ...     return generator.uniform(low, high)
    >>> Drawn(between, high=1)
    between(low=0.0, high=1.0)
    >>> Drawn(between, high=0.0).value(7)
    0.0
    """

    model_config = ConfigDict(protected_namespaces=())

    target: ClassVar[Any] = None
    maker: "ClassVar[type[Foreign] | None]" = None
    spelt: ClassVar[Mapping[str, str]] = {}
    kept: ClassVar[Mapping[str, Any]] = {}

    def __new__(cls, target: Any = None, /, **fields: Any) -> Self:
        """Make an instance of the target's own class."""
        return super().__new__(cls if target is None else cls.of(target))

    def __init__(self, target: Any = None, /, **fields: Any) -> None:
        _require_target(type(self))
        super().__init__(**fields)

    @classmethod
    def of(cls, target: Any) -> type[Self]:
        """Return the class whose fields are the target's parameters; the same one each time.

        Args:
            target: a class or a function, or where one is found: "torch.optim:AdamW".
        """
        if cls.target is not None:
            raise PluginError(f"{cls.__name__} is made of {_named(cls.target)} already; was given {_named(target)} too")
        return _made(cls, _imported(target) if isinstance(target, str) else target)

    @classmethod
    def search(cls, target: Any = None, /, **fields: Any) -> Search:
        """Return the target's class with the fields given here fixed or searched, as `Plugin.search` does."""
        if target is not None:
            return cls.of(target).search(**fields)
        _require_target(cls)
        return super().search(**fields)

    @classmethod
    def supplied(cls, names: tuple[str, ...]) -> Collection[str]:
        """Return which of a target's parameters are no hyperparameters, because the plugin itself gives them."""
        return ()

    @classmethod
    def require(cls, target: Any) -> None:
        """Raise `PluginError` for a target that the plugin cannot be made of."""

    @classmethod
    def traits(cls, target: Any) -> Mapping[str, Any]:
        """Return the attributes of a target's class that depend on the target, by name."""
        return {}

    @classmethod
    def label(cls) -> str:
        """Return the target's own name."""
        return super().label() if cls.maker is None else cls.__name__

    @classmethod
    def made_of(cls) -> tuple[type[Plugin], Any] | None:
        """Return whose `of` made this class, and of what."""
        return None if cls.maker is None else (cls.maker, cls.target)

    @classmethod
    def callable(cls) -> Callable[..., Any]:
        """Return the target itself; imported here, where only its place is known."""
        found: Any = cls.target
        return _imported(found) if isinstance(found, str) else found  # type: ignore[no-any-return]

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments that the fields stand for."""
        return {self.spelt.get(name, name): value for name, value in self}

    def call(self, *given: Any, **supplied: Any) -> Any:
        """Call the target with what the plugin itself gives, and the fields."""
        return type(self).callable()(*given, **supplied, **self.arguments())

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle what the class is made of, since it has no place of its own."""
        made = self.made_of()
        return super().__reduce_ex__(protocol) if made is None else (_instance, (*made, dict(self)))

    @classmethod
    def _searching(cls, name: str) -> str:
        made = f"{cls.maker.__name__}.search({cls.__name__}, " if cls.maker else f"{cls.__name__}.search("
        return f"{made}{name}=...)"

    @classmethod
    def _known(cls, name: str) -> str:
        if name not in cls.kept:
            return super()._known(name)
        return (
            f"the parameter keeps its default {cls.kept[name]!r}, which is no plain value; to change it, give a "
            f"function that calls {_named(cls.target)} with another"
        )


def _require_target(cls: type[Foreign]) -> None:
    if cls.target is None:
        raise PluginError(
            f"{cls.__name__} needs the class or function that it is made of first, as in "
            f"{cls.__name__}(target, ...) or {cls.__name__}.search(target, ...)"
        )


def _instance(maker: type[Foreign], target: Any, fields: Mapping[str, Any]) -> Foreign:
    return maker(target, **fields)


@cache
def _made(cls: type[Foreign], target: Any) -> type[Any]:
    cls.require(target)
    fields: dict[str, tuple[Any, Any]] = {}
    spelt, kept = {}, {}
    for name, parameter in _parameters(cls, target).items():
        try:
            annotation, default = _field(parameter, cls.model_fields.get(name))
        except ValidationError:
            kept[name] = parameter.default
            continue
        taken = name.startswith("_") or (hasattr(cls, name) and name not in cls.model_fields)
        field = f"{name.lstrip('_')}_" if taken else name
        fields[field] = annotation, default
        if field != name:
            spelt[field] = name
    wanting = [name for name, info in cls.model_fields.items() if info.is_required() and name not in fields]
    if wanting:
        raise PluginError(f"{cls.__name__}: {_named(target)} must have a parameter {wanting[0]!r}, and has none")
    body = {name: default for name, (_, default) in fields.items() if default is not inspect.Parameter.empty}
    body |= {"__annotations__": {name: annotation for name, (annotation, _) in fields.items()}}
    body |= {"__module__": cls.__module__, "__qualname__": f"{cls.__name__}[{place_of(target)}]"}
    body |= {"__doc__": inspect.getdoc(target)}
    body |= cls.traits(target)
    body |= {"target": target, "maker": cls, "spelt": spelt, "kept": kept}
    return types.new_class(target.__name__, (cls,), exec_body=lambda namespace: namespace.update(body))


def _parameters(cls: type[Foreign], target: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters that may be fields: those that can be given by name, and that the plugin does not give."""
    if not (callable(target) and hasattr(target, "__qualname__")):
        raise PluginError(f"{cls.__name__} needs a class or a function, was given {target!r}")
    try:
        signature = inspect.signature(target, eval_str=True)
    except (NameError, AttributeError, TypeError, SyntaxError):  # an annotation that only a type checker can read
        signature = inspect.signature(target)
    except ValueError:
        raise PluginError(
            f"{cls.__name__}: {_named(target)} does not say what its parameters are; give a function that calls it"
        ) from None
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = {name: each for name, each in signature.parameters.items() if each.kind in by_name}
    given = cls.supplied(tuple(found))
    return {name: each for name, each in found.items() if name not in given and not _is_private(each)}


def _is_private(parameter: inspect.Parameter) -> bool:
    return parameter.name.startswith("_") and parameter.default is not inspect.Parameter.empty


def _field(parameter: inspect.Parameter, declared: FieldInfo | None) -> tuple[Any, Any]:
    """Return annotation and default of the field that a parameter becomes; what the plugin declares comes first.

    Raises:
        ValidationError: its default is no plain value.
    """
    annotation, default = _plain(parameter.annotation) or Plain, parameter.default
    if declared is not None:
        own: Any = Annotated[declared.annotation, Field(), *declared.metadata]
        return own, _fitting(own, default)
    if default is inspect.Parameter.empty:
        return annotation, default
    if default is None:
        return annotation | None, None
    try:
        return annotation, _taken(annotation, default)
    except ValidationError:  # the annotation of `width: int = "auto"` is wrong
        return Plain, _taken(Plain, default)


def _fitting(annotation: Any, default: Any) -> Any:
    try:
        return _taken(annotation, default)
    except ValidationError:  # a learning rate of None, say: the field has no default
        return inspect.Parameter.empty


def _taken(annotation: Any, default: Any) -> Any:
    return TypeAdapter(annotation, config=Plugin.model_config).validate_python(default)


def _plain(annotation: Any) -> Any:
    """Return what of an annotation speaks of plain values: `float` of `float | Tensor`; None if nothing does."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if annotation in (bool, int, float, str, None, NoneType) or origin is Literal:
        return annotation
    if origin is Annotated:
        return Annotated[_plain(inside[0]) or Plain, *annotation.__metadata__]
    if origin in (Union, UnionType):
        arms = [arm for arm in map(_plain, inside) if arm is not None]
        return reduce(or_, arms) if set(arms) - {NoneType} else None
    if origin in (tuple, list):
        arms = [arm if arm is ... else _plain(arm) for arm in inside]
        return None if None in arms else tuple.__class_getitem__((*arms, ...) if origin is list else tuple(arms))
    return None


def _imported(place: str) -> Any:
    try:
        return found_at(place)
    except (ImportError, AttributeError, ValueError) as error:
        raise PluginError(
            f"{place!r} cannot be imported here: {error}; put it in a module that can be (a .py file in the folder "
            "that you run from, or an installed package), or make the experiment by running the file that defines it"
        ) from error


def _named(target: Any) -> str:
    return target if isinstance(target, str) else getattr(target, "__qualname__", repr(target))

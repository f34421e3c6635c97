"""What holds for every plugin: its fields, its ranges, and its JSON."""

from tunelab.contracts import Plugin, Search
from tunelab.experiments import Experiment
from tunelab.plugins import validate
from tunelab.space import Choice


def require_contract(plugin: Plugin, contract: type[Plugin]) -> None:
    """Raise unless the plugin's class keeps the contract and what members share of the plugin is hashable.

    Raises:
        PluginError: not a subclass, an abstract method left, a range or a default outside its own bounds.
        AssertionError: a default outside its range, or a field that is not hashable.
    """
    name = type(plugin).__name__
    assert isinstance(plugin, contract), f"the fixture must return an instance of {contract.__name__}, was {plugin!r}"
    validate(type(plugin), contract, f"{contract.__name__.lower()} {name}")
    for field, within in type(plugin).ranges().items():
        if isinstance(within, Search):
            continue
        default = type(plugin).model_fields[field].get_default(call_default_factory=True)
        inside = default in within.options if isinstance(within, Choice) else within.clip(default) == default
        assert inside, (
            f"{name}.{field}: the default {default!r} lies outside its own range {within!r}, "
            "so that a study cannot try it first; widen the range or move the default"
        )
    try:
        hash(plugin.structure())
    except TypeError as error:
        raise AssertionError(
            f"{name}: what members share must be hashable, so use tuples for lists and dicts ({error}): "
            f"{plugin.structure()!r}"
        ) from None


def require_json(experiment: Experiment) -> None:
    """Raise unless the experiment is the same after a way through JSON: a study is reopened from it.

    Raises:
        ExperimentError: a class that cannot be imported by its name.
    """
    text = experiment.to_json()
    again = Experiment.from_json(text)
    assert again == experiment, (
        f"an experiment that was read back from JSON is another: {again!r} in place of {experiment!r}; "
        "fields of a plugin must be comparable and keep their value in JSON"
    )
    assert again.to_json() == text, f"an experiment's JSON changes each time it is read and written: {text}"


def searches(plugin: Plugin) -> tuple[object, ...]:
    """Return the spellings of a plugin in an experiment: fixed, and with all its ranges open."""
    given = {name: getattr(plugin, name) for name, info in type(plugin).model_fields.items() if info.is_required()}
    return plugin, type(plugin).search(**given)

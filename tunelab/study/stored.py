"""An experiment as a store tells it, which others may write to: what it names is not imported unless vouched for."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tunelab.contracts import vouched_only
from tunelab.errors import ExperimentError, TunelabError
from tunelab.experiments import Experiment
from tunelab.loop import Loop
from tunelab.plugins import announced_places
from tunelab.searchable import Searchable, json_fields


def stored_experiment(text: str, given: Searchable | None) -> Searchable:
    """Return the experiment that a record in MLflow or in a database tells of.

    Nothing is imported by a name that is not an announced plugin's, tunelab's or PyTorch's (`contracts/vouched.py`),
    or one that `given` names already.

    Args:
        text: its JSON.
        given: the person's own, whose data and functions are taken where JSON does not hold them.

    Raises:
        ExperimentError: text that is no experiment, or that names code which nobody vouches for.
        InputError: what it names is not installed, or takes other values.
    """
    try:
        with vouched_only({*announced_places(), *_texts_of(given)}):
            return kind_of(json_fields(text)).from_json(text) if given is None else given.restored(text)
    except TunelabError:
        raise
    except Exception as error:  # anything may stand where something else was expected
        raise ExperimentError(f"the record is no experiment's: {type(error).__name__}: {error}") from error


def kind_of(fields: Mapping[str, Any]) -> type[Experiment | Loop]:
    """Return whether the fields of a record are an experiment's or a loop's."""
    return Loop if "function" in fields else Experiment


def _texts_of(given: Searchable | None) -> Iterator[str]:
    """Yield every text in an experiment's JSON: whatever it names is among them."""
    left = [] if given is None else [json.loads(given.to_json())]
    while left:
        match left.pop():
            case str(text):
                yield text
            case dict(fields):
                left += fields.values()
            case list(items):
                left += items

"""What an experiment and a loop have in common, whatever trains them."""

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from tunelab import Experiment, Float, Trial, experiment
from tunelab.contracts import Plugin, Search
from tunelab.errors import ExperimentError
from tunelab.optimizers import SGD
from tunelab.searchable import Searchable

LR = Float(0.1, 1.0)


@experiment(lr=LR, minimize="loss")
def loop(trial: Trial) -> Iterator[dict[str, float]]:
    """One report."""
    yield {"loss": trial.params["lr"]}


KINDS = [Experiment(name="bowl", model="quadratic", optimizer=SGD.search(lr=LR)), loop]


@pytest.fixture(params=KINDS, ids=["an experiment", "a loop"])
def given(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_its_hash_is_that_of_its_json(given: Searchable) -> None:
    assert given.hash == hashlib.sha256(given.to_json().encode()).hexdigest()


def test_it_cannot_be_changed(given: Searchable) -> None:
    with pytest.raises(Exception, match="frozen"):
        given.name = "other"


def test_it_is_the_same_with_its_own_nodes_and_another_with_others(given: Searchable) -> None:
    assert given.with_nodes(given.nodes) == given
    last = list(given.nodes)[-1]
    other = given.with_nodes(given.nodes | {last: 1})
    assert type(other) is type(given)
    assert (other.name, other.objective) == (given.name, given.objective)
    assert other.nodes == given.nodes | {last: 1}


def test_an_earlier_form_of_it_is_restored(given: Searchable) -> None:
    last = list(given.nodes)[-1]
    earlier = given.with_nodes(given.nodes | {last: 1})
    assert given.restored(earlier.to_json()) == earlier


def test_it_takes_one_direction_and_no_unknown_field(given: Searchable) -> None:
    fields = dict(given)
    with pytest.raises(ExperimentError, match=f"{given.spelling}: give maximize or minimize, not both"):
        type(given)(**fields | {"maximize": "a", "minimize": "b"})
    with pytest.raises(ExperimentError, match=f"{given.spelling} has no field 'nam'; did you mean 'name'"):
        type(given)(**fields | {"nam": "a"})
    with pytest.raises(ExperimentError, match=f"{given.spelling}: name: .*was '-a'"):
        type(given)(**fields | {"name": "-a"})


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\\b", ".", "..", "~", "a\nb", "a\n", "a\0b", "\u00e4", "\u202ea", "a" * 101]
)
def test_a_name_that_is_no_plain_name_of_a_folder_is_refused(name: str, given: Searchable) -> None:
    with pytest.raises(ExperimentError, match=f"{given.spelling}: name: "):
        type(given)(**dict(given) | {"name": name})


def test_a_field_in_which_no_plugin_stands_has_bounds(given: Searchable) -> None:
    for field, node in given.nodes.items():
        if not isinstance(node, Plugin | Search):
            plugin, name = given.bounds_of(field)
            assert name in plugin.model_fields

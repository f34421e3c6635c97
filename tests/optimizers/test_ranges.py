"""The fields of every rule: bounds, defaults, ranges."""

import pytest

from tunelab import optimizers
from tunelab.contracts import Optimizer, Rule, Search
from tunelab.errors import PluginError
from tunelab.space import Float

from .rules import POPULATIONS
from .tensor_rules import TENSOR_POPULATIONS

ALL: list[type[Optimizer]] = [getattr(optimizers, name) for name in optimizers.__all__ if name != "TorchOptimizer"]
"""All that have fields of their own; those of `TorchOptimizer` are somebody else's."""

RULES = [each for each in ALL if issubclass(each, Rule)]
OTHERS = [each for each in ALL if not issubclass(each, Rule)]
MOMENTUM_LIKE = {"momentum", "rho", "beta1", "beta2", "adam_beta1", "adam_beta2"}
SHARED = {"bias_correction", "every", "longest"}

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)


def test_every_rule_is_tested() -> None:
    populations = [*POPULATIONS.values(), *TENSOR_POPULATIONS.values()]
    assert {type(members[0]) for members in populations} == set(RULES)


@each_rule
def test_every_default_is_inside_its_range(rule: type[Optimizer]) -> None:
    for name, allowed in rule.ranges().items():
        assert allowed.low <= getattr(rule(), name) <= allowed.high


@each_rule
def test_every_end_of_a_range_satisfies_the_bounds(rule: type[Optimizer]) -> None:
    for name, allowed in rule.ranges().items():
        rule.check(name, allowed)
        assert getattr(rule(**{name: allowed.low}), name) == allowed.low
        assert getattr(rule(**{name: allowed.high}), name) == allowed.high


@each_rule
def test_what_is_near_one_is_searched_by_its_distance_to_one(rule: type[Optimizer]) -> None:
    for name, allowed in rule.ranges().items():
        assert isinstance(allowed, Float)
        assert allowed.complement_log == (name in MOMENTUM_LIKE)
        assert allowed.log == (name not in MOMENTUM_LIKE)


@each_rule
def test_below_ten_trials_one_thing_is_searched(rule: type[Optimizer]) -> None:
    always = set(rule.ranges()) - set(rule.from_trials())
    assert always == {"lr"} or (len(always) == 1 and "lr" not in rule.ranges())


@each_rule
def test_the_number_of_trials_decides_what_else_is(rule: type[Optimizer]) -> None:
    """From 10 trials on what matters next, from 25 what fine-tunes, well above that beta2."""
    assert set(rule.from_trials()) <= set(rule.ranges())
    for name, trials in rule.from_trials().items():
        assert trials in ({100} if "beta2" in name else {10} if name in MOMENTUM_LIKE else {10, 25})


@each_rule
def test_every_field_is_a_number_that_may_differ_between_members(rule: type[Optimizer]) -> None:
    assert set(rule().numbers()) == set(rule.model_fields) - SHARED


@each_rule
def test_a_value_outside_the_bounds_is_refused(rule: type[Optimizer]) -> None:
    for name in rule.model_fields:
        with pytest.raises(PluginError, match=f"{rule.__name__}.*{name}"):
            rule(**{name: -0.1})
        if name in MOMENTUM_LIKE:
            with pytest.raises(PluginError, match="less than 1"):
                rule(**{name: 1.0})


each_other = pytest.mark.parametrize("other", OTHERS, ids=lambda other: other.__name__)


@each_other
def test_what_is_around_a_rule_opens_its_own_fields_and_those_of_the_rule(other: type[Optimizer]) -> None:
    ranges = other.ranges()
    assert {name for name, own in ranges.items() if isinstance(own, Search)} == set(other().parts())
    for name, own in ranges.items():
        if isinstance(own, Search):
            assert isinstance(getattr(other(), name), own.plugin)
        else:
            assert isinstance(own, Float)
            assert own.low <= getattr(other(), name) <= own.high
            assert getattr(other(**{name: own.low}), name) == own.low


@each_other
def test_a_value_outside_the_bounds_of_a_wrapper_is_refused(other: type[Optimizer]) -> None:
    for name in other.model_fields:
        with pytest.raises(PluginError, match=f"{other.__name__}.*{name}"):
            other(**{name: -0.1})

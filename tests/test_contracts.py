"""A plugin: fields with bounds, defaults and ranges, fixed or searched."""

from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import Field, PositiveFloat

from tunelab.contracts import Executor, Hyper, Layer, Loss, Optimizer, Plugin, Search, Table
from tunelab.errors import PluginError, SpaceError
from tunelab.models import MLP, Quadratic
from tunelab.models.layers import ReLU
from tunelab.models.losses import CrossEntropy
from tunelab.optimizers import EMA, SGD, Adam, AdamW
from tunelab.schedules import Linear
from tunelab.space import Choice, Float, FromTrials, Int
from tunelab.trial import Orders, Progress


class Sample(Plugin):
    rate: Annotated[PositiveFloat, Float(1e-3, 1.0, log=True)] = 0.1
    width: Annotated[int, Field(ge=1), Int(1, 8), FromTrials(10)] = 4
    share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    limit: PositiveFloat | None = None
    mode: str = "plain"
    inner: Plugin | None = None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"rat": 1.0},
            r"has no field 'rat'; did you mean 'rate'\? Known: inner, limit, mode, rate, share",
        ),
        ({"rate": 0.0}, "Sample: rate: input should be greater than 0, was 0.0"),
        ({"rate": "fast"}, "Sample: rate: .* valid number.*, was 'fast'"),
        ({"rate": float("nan")}, "Sample: rate: .*was nan"),
        ({"rate": float("inf")}, "Sample: rate: .*was inf"),
        ({"width": 1.5}, "Sample: width: .* was 1.5"),
        ({"share": 1.0}, "Sample: share: input should be less than 1, was 1.0"),
        ({"rate": Float(0.1, 1)}, r"fixed instance and takes values only; write Sample.search\(rate=...\)"),
        ({"mode": Choice("a", "b")}, r"Sample\(mode=Choice\('a', 'b'\)\) is a fixed instance"),
    ],
)
def test_a_fixed_plugin_refuses(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(PluginError, match=says):
        Sample(**fields)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"rat": 1.0}, "Sample has no field 'rat'; did you mean 'rate'"),
        ({"rate": -1.0}, "Sample: rate: input should be greater than 0, was -1.0"),
        ({"rate": Float(0, 1)}, r"Sample: rate=Float\(0.0, 1.0\): input should be greater than 0, was 0.0"),
        ({"share": Float(0, 1)}, r"Sample: share=Float\(0.0, 1.0\): input should be less than 1, was 1.0"),
        ({"share": Int(0, 1)}, r"Sample: share=Int\(0, 1\): input should be less than 1"),
        ({"width": Int(0, 4)}, r"Sample: width=Int\(0, 4\): input should be greater than or equal to 1, was 0"),
        ({"width": Float(1, 8)}, r"Sample: width=Float\(1.0, 8.0\): .*integer.* fractional part"),
        ({"width": Choice(2, 0)}, r"Sample: width=Choice\(2, 0\): .* was 0"),
        ({"rate": Choice(0.1, "fast")}, "Sample: rate=Choice.* was 'fast'"),
        ({"limit": Choice(None, -1.0)}, "Sample: limit=Choice.* was -1.0"),
    ],
)
def test_a_search_refuses(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(PluginError, match=says):
        Sample.search(**fields)


def test_a_choice_of_what_no_sampler_can_name_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"text, numbers, True, False, None and plugins; one option was \(1.0,\)"):
        Quadratic.search(start=Choice((1.0,), (2.0,)))


def test_a_search_opens_every_field_that_has_a_range_but_those_given() -> None:
    assert Sample.search().fields == {"rate": Float(1e-3, 1.0, log=True), "width": Int(1, 8)}
    assert Sample.search(width=2, share=Float(0, 0.5)).fields == {
        "rate": Float(1e-3, 1.0, log=True),
        "width": 2,
        "share": Float(0, 0.5),
    }


def test_a_search_holds_values_as_the_plugin_would() -> None:
    held = Sample.search(rate=1, width="3", limit=Choice(None, 2)).fields
    assert repr(held) == "{'rate': 1.0, 'width': 3, 'limit': Choice(None, 2.0)}"


def test_a_search_takes_plugins_and_searches_as_fields() -> None:
    inner = Choice(SGD(), Adam.search())
    assert Sample.search(inner=inner).fields["inner"] == inner
    assert Sample.search(inner=Adam.search(lr=0.1)).fields["inner"] == Adam.search(lr=0.1)


def test_searches_are_equal_by_content() -> None:
    assert Sample.search(rate=0.5, mode="x") == Sample.search(mode="x", rate=0.5)
    assert Sample.search(rate=0.5) != Sample.search(rate=0.25)
    assert SGD.search(lr=0.5) != Search(Adam, {"lr": 0.5})
    assert repr(SGD.search(lr=0.5)) == "SGD.search(lr=0.5)"


def test_a_plugin_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        SGD().lr = 0.2  # type: ignore[misc]


def test_numbers_may_differ_in_a_population_and_the_rest_is_structure() -> None:
    assert Sample(width=3).numbers() == {"rate": 0.1, "share": 0.0}
    assert Sample(limit=1.0).numbers() == {"rate": 0.1, "share": 0.0, "limit": 1.0}
    assert Sample(rate=0.3).structure() == Sample(rate=0.4).structure()
    assert Sample(width=3).structure() != Sample(width=4).structure()
    assert SGD().structure() != Adam().structure()


def test_a_plugin_in_a_field_has_numbers_of_its_own_and_shares_the_rest() -> None:
    held = Sample(inner=Sample(rate=0.3, inner=Adam()))
    assert held.numbers() == Sample().numbers()
    assert held.parts() == {"inner": held.inner}
    assert Sample().parts() == {}
    assert held.structure() == Sample(inner=Sample(rate=0.4, inner=Adam(lr=0.1))).structure()
    assert hash(held.structure()) == hash(Sample(inner=Sample(rate=0.4, inner=Adam(lr=0.1))).structure())
    for other in (None, Adam(), Sample(), Sample(inner=SGD()), Sample(width=3, inner=Adam())):
        assert held.structure() != Sample(inner=other).structure()


def test_a_plugin_is_printed_with_its_name() -> None:
    assert str(SGD(lr=0.5)) == f"{SGD(lr=0.5)}" == repr(SGD(lr=0.5)) == "SGD(lr=0.5)"


def test_a_schedule_remembers_nothing_unless_it_says_so() -> None:
    assert Linear().memory() == {}
    assert Linear().observe({}, {"val_loss": 1.0}) == {}


def test_fields_that_are_declared_alike_are_validated_by_one_adapter() -> None:
    assert Adam.adapter("beta1") is AdamW.adapter("beta1")
    assert Adam.adapter("beta1") is not Adam.adapter("beta2")
    assert EMA.adapter("inner").validate_python(SGD()) == SGD()  # its range is a search, which has no hash


def test_ranges_are_those_that_fields_carry() -> None:
    assert set(MLP.ranges()) == {"width", "depth"}
    assert Sample.ranges() == {"rate": Float(1e-3, 1.0, log=True), "width": Int(1, 8)}


def test_a_search_knows_which_of_its_ranges_nobody_asked_for() -> None:
    assert Sample.search().own == {"rate", "width"}
    assert Sample.search(rate=0.1).own == {"width"}
    assert Sample.search(width=Int(1, 8), share=Float(0, 0.5)).own == {"rate"}
    assert Sample.search(width=Int(1, 8)) != Sample.search()
    assert Search(Sample, {"rate": Float(0.1, 1)}).own == frozenset()


def test_a_field_says_from_how_many_trials_on_it_is_searched() -> None:
    assert Sample.from_trials() == {"width": 10}


def test_a_rule_without_scalars_of_its_own_gets_its_float_fields() -> None:
    hyper = Hyper(lr=np.ones((2, 3, 1)))
    assert dict(SGD().scalars(hyper, np.ones((2, 3, 1)))) == {"lr": hyper.lr}


@pytest.mark.parametrize("contract", [Optimizer, Layer, Loss, Executor])
def test_a_contract_cannot_stand_for_itself(contract: type) -> None:
    with pytest.raises(TypeError, match="abstract"):
        contract()


def test_a_table_counts_its_outputs() -> None:
    x = np.zeros((4, 2))
    assert Table(x, np.zeros(4, int), "classes", ("a", "b", "c")).outputs == 3
    assert Table(x, np.zeros((4, 2)), "values").outputs == 2


def test_layers_and_losses_compare_by_content() -> None:
    assert ReLU() == ReLU()
    assert CrossEntropy() == CrossEntropy()


def test_an_executor_closes_itself() -> None:
    class Recorder(Executor):
        closed = False

        def send(self, orders: Orders) -> None: ...

        def receive(self) -> Progress:
            raise KeyboardInterrupt

        def close(self) -> None:
            self.closed = True

    recorder = Recorder()
    with pytest.raises(KeyboardInterrupt), recorder:
        recorder.receive()
    assert recorder.closed

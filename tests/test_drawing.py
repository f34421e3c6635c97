"""From what may vary to flat hyperparameters, and back."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spaces import experiments

from tunelab import Choice, Experiment, Float, Int
from tunelab.contracts import Plugin, Search, Value
from tunelab.drawing import alternatives, chosen, draw, rebuild, settled, varies
from tunelab.errors import ExperimentError, PluginError
from tunelab.models import MLP
from tunelab.optimizers import SGD, Adam, GradientDescent, Lookahead, Switch
from tunelab.schedules import Constant, Cosine, Linear, Step, Then
from tunelab.study.suggest import FixedSuggest

if TYPE_CHECKING:
    from tunelab.space import Range


class Wrapped(Plugin):
    """A plugin that holds another, and a field that no hyperparameter is."""

    inner: Plugin = SGD()
    points: tuple[float, ...] = (1.0, 2.0)
    rate: float = 0.5


class Asked:
    """Decides by a hypothesis draw, and remembers under which names it was asked."""

    def __init__(self, data: st.DataObject | None = None, **options: Value) -> None:
        self.data, self.options = data, options
        self.names: dict[str, tuple[Value, ...] | Range] = {}

    def number(self, name: str, within: Float | Int, default: float | None) -> float | int:
        self.names[name] = within
        if isinstance(within, Int):
            grid = within.grid()
            return grid[self.data.draw(st.integers(0, len(grid) - 1)) if self.data else 0]
        return within.at(self.data.draw(st.floats(0, 1)) if self.data else 0.0)

    def option(self, name: str, labels: tuple[Value, ...], default: Value) -> Value:
        self.names[name] = labels
        chosen = self.data.draw(st.sampled_from(labels)) if self.data else labels[0]
        return self.options.get(name, chosen)


def drawn(node: Any, **options: Value) -> tuple[dict[str, Value], Asked]:
    asked = Asked(**options)
    return dict(draw(node, asked, "optimizer", "optimizer")), asked


@pytest.mark.parametrize(
    ("node", "params", "names"),
    [
        (SGD(lr=0.5), {"optimizer": "sgd", "optimizer.lr": 0.5}, []),
        (SGD.search(lr=Float(0.1, 1)), {"optimizer": "sgd", "optimizer.lr": 0.1}, ["optimizer.lr"]),
        (
            Choice(SGD.search(lr=Float(0.1, 1)), Adam()),
            {"optimizer": "sgd", "optimizer.lr": 0.1},
            ["optimizer", "optimizer.sgd.lr"],
        ),
        (Choice(SGD(lr=0.5), Adam()), {"optimizer": "sgd", "optimizer.lr": 0.5}, ["optimizer"]),
        (3, {"optimizer": 3}, []),
        (None, {"optimizer": None}, []),
        (Choice(None, 1.0), {"optimizer": None}, ["optimizer"]),
        (
            Wrapped(),
            {"optimizer": "wrapped", "optimizer.inner": "sgd", "optimizer.inner.lr": 0.01, "optimizer.rate": 0.5},
            [],
        ),
        (
            Wrapped.search(inner=Choice(Adam(eps=0.1), SGD.search(lr=Float(0.1, 1))), rate=Int(2, 3)),
            {
                "optimizer": "wrapped",
                "optimizer.inner": "adam",
                "optimizer.inner.lr": 0.001,
                "optimizer.inner.beta1": 0.9,
                "optimizer.inner.beta2": 0.999,
                "optimizer.inner.eps": 0.1,
                "optimizer.rate": 2,
            },
            ["optimizer.inner", "optimizer.rate"],
        ),
    ],
)
def test_a_node_is_drawn_under_flat_names(node: Any, params: dict[str, Value], names: list[str]) -> None:
    found, asked = drawn(node)
    assert found == params
    assert list(asked.names) == names


def test_names_tell_alternatives_apart_to_the_sampler_and_line_up_for_the_reader() -> None:
    node = Choice(SGD.search(lr=Float(0.1, 1)), Adam.search(lr=Float(0.01, 0.1), beta1=0.9, beta2=0.9, eps=1e-8))
    sgd, asked_sgd = drawn(node)
    adam, asked_adam = drawn(node, optimizer="adam")
    assert list(asked_sgd.names) == ["optimizer", "optimizer.sgd.lr"]
    assert list(asked_adam.names) == ["optimizer", "optimizer.adam.lr"]
    assert sgd["optimizer.lr"] == 0.1
    assert adam["optimizer.lr"] == 0.01


def test_two_alternatives_of_one_plugin_are_numbered() -> None:
    node = Choice(SGD.search(lr=Float(1, 2)), SGD(lr=0.5), SGD(lr=0.25), Adam())
    assert list(alternatives(node)) == ["sgd", "sgd#2", "sgd#3", "adam"]
    params, _ = drawn(node, optimizer="sgd#3")
    assert params == {"optimizer": "sgd#3", "optimizer.lr": 0.25}
    assert rebuild(node, params, "optimizer") == SGD(lr=0.25)
    first, asked = drawn(node)
    assert rebuild(node, first, "optimizer") == SGD(lr=1.0)
    assert "optimizer.sgd.lr" in asked.names


@given(st.lists(st.none() | st.booleans() | st.integers() | st.text(), min_size=1, unique=True))
def test_plain_options_are_their_own_labels(options: list[Value]) -> None:
    assert list(alternatives(Choice(*options)).items()) == [(option, option) for option in options]


def nodes(experiment: Experiment) -> Iterator[tuple[str, Any]]:
    yield from experiment.nodes.items()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(experiments(), st.data())
def test_rebuild_is_the_inverse_of_draw(experiment: Experiment, data: st.DataObject) -> None:
    for field, node in nodes(experiment):
        params = dict(draw(node, Asked(data), field, field))
        rebuilt = rebuild(node, params, field)
        assert (
            dict(draw(rebuilt, Asked(), field, field)).items()
            >= {name: value for name, value in params.items() if name != field}.items()
        )
        assert varies(rebuilt) is False


def test_plugins_in_a_plugin_are_drawn_under_names_of_their_own() -> None:
    first = Choice(Step.search(gamma=Float(0.1, 0.2), every=0.5), Cosine())
    node = Then.search(first=first, second=Then.search(first=Linear(final=0.5), at=Float(0.3, 0.4)), at=0.5)
    params, asked = drawn(node)
    assert params == {
        "optimizer": "then",
        "optimizer.first": "step",
        "optimizer.first.gamma": 0.1,
        "optimizer.first.every": 0.5,
        "optimizer.second": "then",
        "optimizer.second.first": "linear",
        "optimizer.second.first.final": 0.5,
        "optimizer.second.second": "linear",
        "optimizer.second.second.final": 0.0,
        "optimizer.second.at": 0.3,
        "optimizer.second.scale": 1.0,
        "optimizer.at": 0.5,
        "optimizer.scale": 1.0,
    }
    assert list(asked.names) == ["optimizer.first", "optimizer.first.step.gamma", "optimizer.second.at"]
    second = Then(first=Linear(final=0.5), at=0.3)
    assert rebuild(node, params, "optimizer") == Then(first=Step(gamma=0.1, every=0.5), second=second, at=0.5)


def test_the_default_of_a_choice_of_plugins_is_the_one_that_stands_there_by_itself() -> None:
    node = Then.search(first=Choice(Cosine(), Constant()), second=Choice(Cosine(), Step()))
    params = dict(draw(node, FixedSuggest(), "schedule", "schedule"))
    assert params["schedule.first"] == "constant", "Then's own"
    assert params["schedule.second"] == "cosine", "Then's own is no option, so the first"


def test_fields_that_are_no_hyperparameters_are_kept() -> None:
    node = Wrapped.search(rate=Float(0, 1), points=(3.0,))
    params, _ = drawn(node)
    assert "optimizer.points" not in params
    assert rebuild(node, params, "optimizer") == Wrapped(rate=0.0, points=(3.0,))


@pytest.mark.parametrize(
    ("node", "params", "says"),
    [
        (SGD.search(), {"optimizer": "sgd"}, "the parameter 'optimizer.lr' is missing; given: optimizer"),
        (Choice("a", "b"), {}, "the parameter 'optimizer' is missing"),
        (Choice("a", "b"), {"optimizer": "c"}, "optimizer='c' is not an option of this experiment: a, b"),
        (Choice(SGD(), Adam()), {"optimizer": "momentum"}, "not an option of this experiment: sgd, adam"),
    ],
)
def test_parameters_of_another_experiment_are_refused(node: Any, params: dict[str, Value], says: str) -> None:
    with pytest.raises(ExperimentError, match=says):
        rebuild(node, params, "optimizer")


def test_the_chosen_classes_are_found_without_making_a_plugin() -> None:
    node = Choice(SGD.search(), GradientDescent(), Lookahead.search(inner=Choice(Adam(), GradientDescent())))
    assert list(chosen(node, {"optimizer": "sgd"}, "optimizer")) == [SGD]
    assert list(chosen(node, {"optimizer": "gradient-descent"}, "optimizer")) == [GradientDescent]
    params = {"optimizer": "lookahead", "optimizer.inner": "gradient-descent"}
    assert list(chosen(node, params, "optimizer")) == [Lookahead, GradientDescent]
    assert list(chosen(Lookahead.search(), {}, "optimizer")) == [Lookahead, Adam]


@pytest.mark.parametrize(
    ("node", "answer"),
    [
        (Float(0, 1), True),
        (Choice(1), True),
        (SGD.search(), True),
        (SGD.search(lr=0.1), False),
        (SGD(), False),
        (Wrapped.search(inner=Adam.search()), True),
        (Wrapped.search(inner=Adam()), False),
        (MLP, False),
        (1, False),
    ],
)
def test_a_node_varies_if_anything_in_it_does(node: Any, answer: bool) -> None:
    assert varies(node) is answer


def test_a_search_of_nothing_settles_into_its_plugin() -> None:
    assert settled(Search(SGD, {"lr": 0.5})) == SGD(lr=0.5)
    assert settled(SGD.search()) == SGD.search()


def test_a_default_that_is_no_number_is_none_to_who_suggests_a_number() -> None:
    params = dict(draw(Switch.search(rate=Float(0.1, 10.0, log=True)), FixedSuggest(), "optimizer", "optimizer"))
    assert params["optimizer.rate"] == pytest.approx(1.0)


def test_a_fixed_instance_takes_no_name_of_a_plugin() -> None:
    with pytest.raises(PluginError, match=r"Lookahead\(inner='adam'\) is a fixed instance .* Lookahead.search\(inner="):
        Lookahead(inner="adam")  # type: ignore[arg-type]

"""The JSON form of what may vary, and the spellings that a person may use."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from spaces import any_choice, any_float, any_int

from tunelab import Choice, Float, Int, encoding
from tunelab.contracts import Plugin
from tunelab.encoding import decode, encode, node_of
from tunelab.errors import ExperimentError, PluginError, SpaceError
from tunelab.experiments import Experiment
from tunelab.models import MLP, Function, Quadratic, SoftmaxRegression
from tunelab.optimizers import SAM, SGD, Adam, GradientDescent, Lookahead, Momentum
from tunelab.plugins import Listing, listings
from tunelab.schedules import Constant, MultiStep, Step, Then
from tunelab.space import Range


class Wrapped(Plugin):
    inner: Plugin = SGD()
    points: tuple[float, ...] = (1.0, 2.0)
    rate: float = 0.5


def there_and_back(node: Any) -> Any:
    return decode(json.loads(json.dumps(encode(node))), None)


@given(any_float() | any_int() | any_choice())
def test_a_range_comes_back(range_: Range) -> None:
    assert there_and_back(range_) == range_


@pytest.mark.parametrize(
    "node",
    [
        1,
        0.1,
        "full",
        None,
        True,
        SGD(lr=0.5),
        Adam.search(),
        Adam.search(lr=Float(1e-4, 1e-2, log=True), beta1=0.9),
        Choice(SGD(lr=0.5), Adam.search(), SGD.search()),
        GradientDescent.search(),
        SoftmaxRegression(),
        MLP(width=3, activation="tanh"),
        MLP.search(activation=Choice("relu", "tanh")),
        Quadratic(start=(1.0, 2.0), curvature=(1.0, 50.0)),
        Function(f="numpy.linalg:norm", start=(1.0,)),
        Wrapped(inner=Adam(lr=0.1), points=(3.0,)),
        Wrapped.search(inner=Adam.search(), points=(3.0,)),
        Wrapped.search(inner=Choice(Adam(), SGD.search()), rate=Float(0, 1)),
        Then(first=Step(gamma=0.5), second=Then(first=MultiStep(milestones=(0.1, 0.2)), at=0.25), scale=0.5),
        Then.search(first=Choice(Step.search(), Constant()), second=Then.search(), at=Float(0.1, 0.5)),
    ],
)
def test_a_node_comes_back(node: Any) -> None:
    assert there_and_back(node) == node
    assert type(there_and_back(node)) is type(node)


def test_an_announced_plugin_is_written_by_name_and_another_by_its_place() -> None:
    assert encode(SGD(lr=0.5)) == {"plugin": "sgd", "fields": {"lr": 0.5}}
    assert encode(Wrapped(), None)["plugin"] == f"{__name__}:Wrapped"


def test_a_name_in_a_field_stands_for_a_plugin_of_the_kind_that_the_field_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    twin = Listing("optimizer", "step", "other", "1", "other:Step")
    both = {"optimizer": {"step": (twin,)}, "schedule": listings("schedule")}
    monkeypatch.setattr(encoding, "listings", lambda kind: both.get(kind, {}))
    form = {"plugin": "tunelab.schedules.then:Then", "fields": {"first": {"plugin": "step", "fields": {}}}}
    assert decode(form, "schedule") == Then(first=Step())
    with pytest.raises(PluginError, match="no optimizer named 'step'"):
        decode(form["fields"]["first"], None)  # type: ignore[index]


def test_a_function_in_a_search_is_written_by_its_name() -> None:
    class Scaled(Function):
        """A function with a number to search."""

        scale: float = 1.0

    search = Scaled.search(f="numpy.linalg:norm", start=(1.0,), scale=Float(1, 2))
    assert encode(search)["fields"]["f"] == "numpy.linalg:norm"
    json.dumps(encode(search))


def test_the_ranges_that_nobody_asked_for_are_named() -> None:
    assert encode(Adam.search(lr=0.1, eps=Float(1e-8, 1e-4)))["own"] == ["beta1", "beta2"]
    assert "own" not in encode(SGD.search(lr=Float(0.1, 1)))


def test_a_form_from_before_they_were_named_holds_ranges_that_somebody_asked_for() -> None:
    form = encode(SGD.search())
    del form["own"]
    assert decode(form, None) == SGD.search(lr=SGD.ranges()["lr"]) != SGD.search()


@pytest.mark.parametrize(
    ("form", "error", "says"),
    [
        ({}, ExperimentError, "no float, int, choice or plugin: {}"),
        ({"flot": {}}, ExperimentError, "no float, int, choice or plugin"),
        ({"float": 3}, ExperimentError, "no float, int, choice or plugin"),
        ({"float": {"low": 0}}, ExperimentError, "no Float: .*high"),
        ({"float": {"lo": 0, "high": 1}}, ExperimentError, "no Float: .*lo"),
        ({"int": {"low": 0, "high": 2, "by": 2}}, ExperimentError, "no Int: .*by"),
        ({"float": {"low": 2, "high": 1}}, SpaceError, "swap"),
        ({"choice": []}, SpaceError, "at least one option"),
        ({"choice": {"float": {}}}, ExperimentError, "no float, int, choice or plugin"),
        ({"plugin": "adm", "fields": {}}, PluginError, "no optimizer named 'adm'; did you mean 'adam'"),
        ({"plugin": "adam", "fields": {"rate": 1}}, PluginError, "Adam has no field 'rate'"),
        ({"plugin": "adam", "fields": {"lr": 1}, "own": ["beta1"]}, ExperimentError, r'"own" must list .* lr, was \['),
        ({"plugin": "adam", "fields": {"lr": 1}, "own": 3}, ExperimentError, '"own" must list .*, was 3'),
        ({"plugin": "no_such_module:Rule", "fields": {}}, ExperimentError, "cannot be imported here"),
        ({"plugin": "json:Rule", "fields": {}}, ExperimentError, "cannot be imported here"),
        ({"plugin": "json:dumps", "fields": {}}, ExperimentError, "'json:dumps' is no plugin"),
    ],
)
def test_a_form_that_stands_for_nothing_is_refused(form: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        decode(form, None)


@pytest.mark.parametrize(
    ("spelling", "node"),
    [
        ("adam", Adam.search()),
        (Adam, Adam.search()),
        (Adam.search(), Adam.search()),
        (Adam(), Adam()),
        (SGD.search(lr=0.1), SGD(lr=0.1)),
        ({"plugin": "sgd", "fields": {"lr": 0.1}}, SGD(lr=0.1)),
        (Choice("adam", SGD(lr=0.1)), Choice(Adam.search(), SGD(lr=0.1))),
        (Choice(Adam, SGD), Choice("adam", "sgd")),
    ],
)
def test_every_spelling_means_one_node(spelling: Any, node: Any) -> None:
    found = node_of(spelling, "optimizer")
    assert found == (node_of(node, "optimizer") if isinstance(node, Choice) else node)


def test_a_plugin_without_ranges_is_fixed_by_its_name() -> None:
    assert node_of("constant", "schedule") == Constant()
    assert node_of("step", "schedule") == Step.search()


WANTED = r"expected a name, an instance of Optimizer, Optimizer.search\(...\), or a Choice of these, was "


@pytest.mark.parametrize(
    ("spelling", "error", "says"),
    [
        ("adagrd", PluginError, "no optimizer named 'adagrd'; did you mean 'adagrad'"),
        ("cosine", PluginError, "no optimizer named 'cosine'"),
        (3, ExperimentError, WANTED + "3"),
        (None, ExperimentError, WANTED + "None"),
        (Float(0, 1), ExperimentError, WANTED + "a range"),
        (MLP(), ExperimentError, WANTED + "MLP"),
        (MLP, ExperimentError, WANTED),
        (int, ExperimentError, WANTED),
        (Choice("adam", "sdg"), PluginError, "no optimizer named 'sdg'; did you mean 'sgd'"),
        (Choice("adam", Adam), SpaceError, "is there twice"),
        (Choice("adam", 3), ExperimentError, WANTED + "3"),
        ([SGD(), Adam()], ExperimentError, WANTED),
    ],
)
def test_anything_else_is_refused(spelling: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        node_of(spelling, "optimizer")


def test_a_plugin_of_a_script_comes_back_while_its_module_can_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_rules.py").write_text(
        "from tunelab.optimizers import SGD\nclass Mine(SGD):\n    class Nested(SGD):\n        pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__("my_rules")
    assert isinstance(module, ModuleType)
    try:
        for plugin in (module.Mine, module.Mine.Nested):
            assert there_and_back(plugin(lr=0.5)) == plugin(lr=0.5)
            assert there_and_back(plugin.search(lr=Float(0.1, 1))) == plugin.search(lr=Float(0.1, 1))
        assert there_and_back(Int(1, 2)) == Int(1, 2)
    finally:
        del sys.modules["my_rules"]


SPELLINGS = {
    "a name": ("adam", Adam.search()),
    "a class": (SGD, SGD.search()),
    "a choice": (Choice("adam", Momentum), Choice(Adam.search(), Momentum.search())),
    "an instance": (Momentum(lr=0.3), Momentum(lr=0.3)),
    "a wrapper's name": ("sam", SAM.search()),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_inside_an_optimizer_another_may_be_spelled_as_in_an_experiment(spelling: str) -> None:
    given, meant = SPELLINGS[spelling]
    node = node_of(Lookahead.search(inner=given, alpha=Float(0.2, 0.9)), "optimizer")
    assert node == node_of(Lookahead.search(inner=meant, alpha=Float(0.2, 0.9)), "optimizer")
    assert decode(json.loads(json.dumps(encode(node))), "optimizer") == node


def names(optimizer: Any) -> dict[str, Any]:
    """Return what is drawn, all of it by default, and that it builds an optimizer."""
    experiment = Experiment(name="nested", model=Quadratic(), optimizer=optimizer)
    assert Experiment.from_json(experiment.to_json()) == experiment
    params = experiment.draw(First())
    assert experiment.configure(params).optimizer is not None
    return {name: value for name, value in params.items() if name.startswith("optimizer")}


class First:
    """Takes the default, the first option, or the low end."""

    def number(self, name: str, within: Float | Int, default: float | None) -> float | int:
        return within.low if default is None else default

    def option(self, name: str, labels: tuple[Any, ...], default: Any) -> Any:
        return default if default in labels else labels[0]


def test_what_is_drawn_inside_has_the_name_of_its_place() -> None:
    assert names("switch") == {
        "optimizer": "switch",
        "optimizer.first": "adam",
        "optimizer.first.lr": 0.001,
        "optimizer.first.beta1": 0.9,
        "optimizer.first.beta2": 0.999,
        "optimizer.first.eps": 1e-8,
        "optimizer.second": "sgd",
        "optimizer.second.lr": SGD().lr,
        "optimizer.at": 0.5,
        "optimizer.rate": "own",
    }


@pytest.mark.parametrize(
    ("inner", "label"), [("adam", "adam"), (SGD, "sgd"), (Choice("adam", Momentum), "adam"), (SAM, "sam")]
)
def test_a_wrapped_rule_is_drawn_under_inner(inner: Any, label: str) -> None:
    drawn = names(Lookahead.search(inner=inner))
    assert (drawn["optimizer"], drawn["optimizer.inner"]) == ("lookahead", label)
    assert ("optimizer.inner.inner.lr" if label == "sam" else "optimizer.inner.lr") in drawn


@pytest.mark.parametrize(
    ("optimizer", "says"),
    [
        (lambda: Lookahead.search(inner="adm"), "adm.*adam"),
        (lambda: Lookahead.search(inner=Choice("adam", "momentun")), "momentun.*momentum"),
        (lambda: Lookahead.search(inner=SAM.search(inner="adm")), "adm.*adam"),
        (lambda: Lookahead.search(inner="cosine"), "cosine"),
        (lambda: Lookahead.search(inner=Constant), "expected a name.*Optimizer"),
        (lambda: Lookahead.search(inner=3), "inner"),
        (lambda: Lookahead.search(innr="adam"), "innr.*inner"),
    ],
)
def test_an_unknown_name_inside_is_refused_with_those_near_it(optimizer: Any, says: str) -> None:
    with pytest.raises((PluginError, ExperimentError, SpaceError), match=says):
        node_of(optimizer(), "optimizer")

"""A person's own training loop as a record: what the decorator takes, refuses and writes down."""

import importlib
import inspect
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import numpy as np
import pytest
from test_drawing import Asked

from tunelab import Choice, Experiment, Float, Int, Trial, experiment
from tunelab.errors import ExperimentError
from tunelab.loop import Loop, Side
from tunelab.optimizers import SGD, Adam

LR = Float(1e-5, 1e-1, log=True)


@experiment(lr=LR, optimizer=Choice("sgd", "adam"), epochs=3, minimize="val_loss")
def my_loop(trial: Trial) -> Iterator[dict[str, float]]:
    """Three reports."""
    for epoch in range(3):
        yield {"val_loss": trial.params["lr"] / (epoch + 1)}


def made(**words: Any) -> Loop:
    """The same function with other words."""
    return experiment(**({"minimize": "val_loss"} | words))(my_loop.function)


# ---- the name `experiment` is the decorator, whichever import came first


@pytest.mark.parametrize(
    "first",
    [
        "",
        "import tunelab",
        "import tunelab.experiments",
        "from tunelab.experiments import Experiment",
        "from tunelab import Experiment",
        "import tunelab.study",
        "import tunelab.loop",
        "import tunelab.training.trainer, tunelab.training.loop_trainer, tunelab.cli.run_command",
    ],
)
def test_experiment_is_the_decorator_whichever_import_came_first(first: str) -> None:
    code = (
        f"{first}\nfrom tunelab import experiment, Float\nimport tunelab\nimport tunelab.experiments, tunelab.loop\n"
        "assert tunelab.experiment is experiment is tunelab.loop.experiment\n"
        "assert experiment(lr=Float(0, 1), minimize='loss')(lambda trial: (yield)).parameters == {'lr': Float(0, 1)}\n"
        "from tunelab import Experiment\nassert Experiment is tunelab.experiments.Experiment"
    )
    code = code.replace("(lambda trial: (yield))", "(named)")
    code = f"def named(trial):\n    yield\n{code}"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


# ---- what it is


def test_a_loop_is_named_after_its_function_or_as_it_says() -> None:
    assert my_loop.name == "my_loop"
    assert made(name="other-name").name == "other-name"

    @experiment(minimize="loss")
    def _hidden_(trial: Trial) -> Iterator[dict[str, float]]:
        yield {"loss": 1.0}

    assert _hidden_.name == "hidden"


def test_called_it_is_the_function() -> None:
    reports = my_loop(Trial(0, 0, {"lr": 0.6}))
    assert [report["val_loss"] for report in reports] == [0.6, 0.3, pytest.approx(0.2)]


@pytest.mark.parametrize(("words", "objective"), [({"minimize": "a"}, "a"), ({"maximize": "b"}, "b")])
def test_its_objective_is_what_it_says(words: dict[str, str], objective: str) -> None:
    assert experiment(**words)(my_loop.function).objective == objective


def test_what_is_drawn_is_flat_and_holds_what_is_fixed() -> None:
    fixed = {"epochs": 3, "note": "x", "nothing": None, "on": True}
    given = made(lr=LR, width=Int(1, 9), rule=Choice(SGD, Adam.search(beta1=0.5)), **fixed)
    asked = Asked(rule="adam")
    params = given.draw(asked)
    assert params.items() >= (fixed | {"rule": "adam", "rule.beta1": 0.5}).items()
    assert {"lr", "width", "rule.lr"} <= set(params)
    assert {"lr", "width", "rule", "rule.adam.lr"} <= set(asked.names)


def test_numpys_numbers_are_plain() -> None:
    one = made(a=np.int64(3), b=np.float32(0.5), c=Choice(*np.arange(3)), d=Float(np.float64(0.1), 1))
    other = made(a=3, b=0.5, c=Choice(0, 1, 2), d=Float(0.1, 1.0))
    assert one.to_json() == other.to_json()
    assert type(one.parameters["a"]) is int


# ---- JSON and hash


def test_a_loop_comes_back_from_json_by_its_name() -> None:
    back = Loop.from_json(my_loop.to_json())
    assert back == my_loop
    assert back.function is my_loop.function
    assert (back.to_json(), back.hash) == (my_loop.to_json(), my_loop.hash)
    assert json.loads(my_loop.to_json())["function"] == f"{__name__}:my_loop"


def test_plugins_come_back_too() -> None:
    given = made(rule=Choice(SGD, Adam.search(beta1=0.5), Adam(lr=0.1)))
    assert Loop.from_json(given.to_json(), function=given.function) == given


DIFFERENT = {
    "as it is": {},
    "name": {"name": "other"},
    "direction": {"maximize": "val_loss", "minimize": None},
    "objective": {"minimize": "loss"},
    "a range": {"lr": Float(1e-5, 1.0, log=True)},
    "another axis": {"lr": Float(1e-5, 1.0)},
    "a fixed value": {"lr": 0.1},
    "a whole number": {"lr": 1},
    "a parameter more": {"lr": 0.1, "width": 3},
    "a choice": {"lr": Choice(0.1, 0.2)},
}


def test_whatever_differs_changes_the_hash() -> None:
    assert len({made(**words).hash for words in DIFFERENT.values()}) == len(DIFFERENT)


def test_the_order_of_parameters_is_the_same_however_they_are_written() -> None:
    one, other = made(b=LR, a=LR), made(a=LR, b=LR)
    assert one == other
    assert list(one.nodes) == list(other.nodes) == list(Loop.from_json(one.to_json(), function=one.function).nodes)


LOOP = """from tunelab import Float, experiment
{above}
@experiment(lr=Float({low}, 1.0, log=True), minimize="loss")
def loop(trial):
    {body}
    yield {{"loss": 1.0}}
"""

Imported = Callable[..., ModuleType]


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Imported:
    """Write a module and import it anew."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(name: str = "theirs", above: str = "", low: float = 0.1, body: str = "pass") -> ModuleType:
        (tmp_path / f"{name}.py").write_text(LOOP.format(above=above, low=low, body=body))
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return write


def test_a_changed_function_is_another_experiment_and_what_stands_around_it_is_not(imported: Imported) -> None:
    first = imported().loop
    assert imported(body="x = 1").loop.hash != first.hash
    assert imported(above="# a comment\n").loop.hash == first.hash
    assert imported(low=0.2).loop.source == first.source


def test_a_function_that_has_changed_since_is_not_run_by_mistake(imported: Imported) -> None:
    text = imported().loop.to_json()
    assert Loop.from_json(text) == sys.modules["theirs"].loop  # type: ignore[attr-defined]
    changed = imported(body="x = 1").loop
    with pytest.raises(ExperimentError, match=r"theirs:loop is another function than it was .*function=\.\.\."):
        Loop.from_json(text)
    assert Loop.from_json(text, function=changed.function) == changed


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nothing", "no experiment in JSON"),
        ("[]", "expected an object, was list"),
        ("{}", "no loop in JSON: it names no function"),
        ('{"function": "no_such_module:f"}', r"no_such_module:f cannot be imported here .*No module.*give it"),
        ('{"function": "json:nothing"}', "json:nothing cannot be imported here"),
        ('{"function": "json"}', "json cannot be imported here"),
        ('{"function": "json:loads"}', "loads has no yield"),
    ],
)
def test_text_that_is_no_loop_is_refused(text: str, says: str) -> None:
    with pytest.raises(ExperimentError, match=says):
        Loop.from_json(text)


def test_an_experiment_is_no_loop_and_a_loop_no_experiment() -> None:
    with pytest.raises(ExperimentError, match="no loop in JSON"):
        Loop.from_json(Experiment(name="a", model="quadratic", optimizer="sgd").to_json())
    with pytest.raises(ExperimentError, match="Experiment has no field 'function'"):
        Experiment.from_json(my_loop.to_json())


def test_a_function_without_a_text_has_no_source_and_runs_all_the_same() -> None:
    scope: dict[str, Any] = {}
    exec("def nowhere(trial):\n    yield {'loss': 1.0}", scope)
    given = experiment(minimize="loss")(scope["nowhere"])
    assert given.source is None
    assert list(given(Trial(0, 0, {}))) == [{"loss": 1.0}]


# ---- it travels


@experiment(minimize="loss")
def inward(trial: Trial) -> Iterator[dict[str, float]]:
    """It looks at its own record, whose function it is."""
    yield {"loss": float(len(inward.name))}


def test_a_loop_travels_by_value_with_what_it_refers_to() -> None:
    base = 2.0

    @experiment(lr=LR, minimize="loss")
    def local(trial: Trial) -> Iterator[dict[str, float]]:
        yield {"loss": base * trial.params["lr"]}

    for loop, loss in ((local, 1.0), (inward, 6.0)):
        back = pickle.loads(cloudpickle.dumps(loop))
        assert list(back(Trial(0, 0, {"lr": 0.5}))) == [{"loss": loss}]
        assert back.to_json() == loop.to_json()


def test_a_loop_of_a_package_that_is_installed_travels_though_its_name_means_the_record(imported: Imported) -> None:
    loop = imported().loop
    back = pickle.loads(cloudpickle.dumps(loop))
    assert list(back(Trial(0, 0, {}))) == [{"loss": 1.0}]


# ---- what is refused


def plain(trial: Trial) -> dict[str, float]:
    return {"loss": 1.0}


async def asynchronous(trial: Trial) -> Any:
    yield {"loss": 1.0}


def with_two(trial: Trial, lr: float) -> Iterator[dict[str, float]]:
    yield {"loss": lr}


def without() -> Iterator[dict[str, float]]:
    yield {"loss": 1.0}


class Instance:
    def __call__(self, trial: Trial) -> Iterator[dict[str, float]]:
        yield {"loss": 1.0}


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (plain, r"@experiment: plain has no yield, .*write: yield \{'val_loss': \.\.\.\} .* in place of a return"),
        (asynchronous, "asynchronous has no yield"),
        (
            with_two,
            r"with_two\(trial.*, lr.*\).* must take one argument, the trial; hyperparameters are in tria",
        ),
        (without, r"without\(\).* must take one argument"),
        (Instance(), "stands before a function made with def, was <"),
        (3, "stands before a function made with def, was 3"),
        (my_loop, "stands before a function made with def"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value))[:20],
)
def test_what_is_no_loop_is_refused(function: Any, says: str) -> None:
    with pytest.raises(ExperimentError, match=says):
        experiment(minimize="loss")(function)


def test_a_decorated_generator_function_is_one() -> None:
    def timed(function: Any) -> Any:
        @wraps(function)
        def inner(trial: Trial) -> Any:
            return function(trial)

        return inner

    given = experiment(minimize="val_loss")(timed(my_loop.function))
    assert given.source == my_loop.source


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"minimize": None}, r"@experiment: say which of the metrics .* as in minimize='val_loss'$"),
        ({"minimize": None, "minimise": "val_loss"}, r"\(minimise was taken for a parameter\)"),
        ({"maximize": "val_accuracy"}, "@experiment: give maximize or minimize, not both"),
        ({"minimize": Float(0, 1)}, r"minimize is reserved and takes text, was Float\(0.0, 1.0\); .* another name"),
        ({"name": Choice("a", "b")}, r"name is reserved and takes text, was Choice\('a', 'b'\)"),
        ({"name": "my loop"}, "@experiment: name: .*was 'my loop'"),
        ({"minimize": "objective"}, "MLflow calls every trial's value 'objective'; give the metric another name"),
        ({"seed": Choice(1, 2)}, "seed is reserved; each trial has a seed of its own, trial.seed"),
        ({"value": 3}, "value is reserved; give the parameter another name"),
        ({"trial": 3}, "trial is reserved"),
        ({"a.b": LR}, "a parameter needs a Python name, was 'a.b'"),
        ({"layers": [64, 64]}, r"layers: expected a Float, Int or Choice, .*was \[64, 64\]"),
        ({"rate": float("nan")}, "rate: expected .* a finite number, .*was nan"),
        ({"data": np.zeros(2)}, "data: expected .*was array"),
        ({"rule": {"plugin": "no-such", "fields": {}}}, "no optimizer named 'no-such'"),
        ({"options": Choice("a", (1, 2))}, r"options: expected .*was \(1, 2\)"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_words_are_refused(words: dict[str, Any], says: str) -> None:
    with pytest.raises(Exception, match=says) as caught:
        made(**words)
    assert len(str(caught.value)) < 400, "one short message"


def test_without_parentheses_it_says_how_it_is_written() -> None:
    with pytest.raises(ExperimentError, match=r"in parentheses: @experiment\(lr=Float"):
        experiment(my_loop.function)


def test_what_computes_is_its_own_affair() -> None:
    with pytest.raises(
        ExperimentError, match=r"backend='torch' \(--backend torch\): my_loop is a loop of its own.*leave it out"
    ):
        my_loop.on("torch")


# ---- further ranges


@pytest.mark.parametrize(
    ("node", "side"),
    [
        (Float(0.1, 1), "positive"),
        (Int(1, 3), "positive"),
        (Float(0, 1), "not_negative"),
        (Float(-1, 1), "either"),
        (Float(-1, 0), "not_positive"),
        (Float(-2, -1), "negative"),
        (Choice(1, 2), "either"),
        (0.5, "either"),
    ],
    ids=str,
)
def test_a_parameter_stays_on_its_side_of_zero(node: Any, side: str) -> None:
    assert made(rate=node).bounds_of("rate") == (Side, side)


def test_it_is_described() -> None:
    described = (inspect.getdoc(Loop) or "").partition("Args:")[2].partition("Raises:")[0]
    for field in Loop.model_fields:
        assert f"{field}" in described

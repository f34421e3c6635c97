"""What is announced: the classes of the package, their arguments, and ranges around their defaults."""

import inspect
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_optimizer
from rig import NAMES

import tunelab_pytorch_optimizer
from tunelab.contracts import Optimizer
from tunelab.encoding import decode, encode
from tunelab.errors import ExperimentError
from tunelab.experiments import Experiment
from tunelab.plugins import load
from tunelab.study.prepare import prepare
from tunelab.testing.contract import require_contract

README = (Path(__file__).parents[1] / "README.md").read_text()

each = pytest.mark.parametrize("name", NAMES)


def kind_of(name: str) -> Any:
    return getattr(tunelab_pytorch_optimizer, NAMES[name])


def test_every_class_has_a_name_here_and_every_name_is_the_packages_own() -> None:
    assert sorted(NAMES.values()) == sorted(tunelab_pytorch_optimizer.__all__)
    for name in NAMES:
        wanted = pytorch_optimizer.load_optimizer(name.removeprefix("po-"))
        assert kind_of(name).callable() is wanted
        assert load("optimizer", name) is kind_of(name)


def test_the_readme_lists_what_is_here_and_what_is_not_and_why() -> None:
    here, _, missing = README.partition("## What is not here")
    announced = {name for name in NAMES if f"`{name}`" in here}
    left_out = {name for name in pytorch_optimizer.get_supported_optimizers() if f"`{name}`" in missing}
    assert announced == set(NAMES)
    assert {name.removeprefix("po-") for name in NAMES} | left_out == set(pytorch_optimizer.get_supported_optimizers())
    assert not {name.removeprefix("po-") for name in NAMES} & left_out


@each
def test_every_real_argument_of_the_class_is_a_field_with_its_own_default(name: str) -> None:
    kind = kind_of(name)
    _, *parameters = inspect.signature(kind.callable()).parameters.values()
    numbers = {one.name: one.default for one in parameters if isinstance(one.default, float)}
    tuples = {one.name: one.default for one in parameters if isinstance(one.default, tuple)}
    real = {name: values for name, values in tuples.items() if all(isinstance(value, float) for value in values)}
    wanted = {name: value for name, value in numbers.items() if math.isfinite(value)} | real
    if name == "po-aggmo":
        del wanted["betas"]  # momenta, as many as one likes
    assert kind().arguments() == wanted | dict(kind.fixed)


@each
def test_ranges_hold_the_default_and_below_ten_trials_the_learning_rate_alone_is_searched(name: str) -> None:
    kind = kind_of(name)
    require_contract(kind(), Optimizer)
    assert set(kind.ranges()) - set(kind.from_trials()) == {"lr"}
    assert kind.ranges()["lr"].log
    assert set(kind.from_trials()) <= set(kind.ranges())
    assert set(kind().numbers()) == set(kind.model_fields), "all fields may differ between members of one population"


@each
def test_it_survives_json(name: str) -> None:
    for node in (kind_of(name)(lr=0.5), kind_of(name).search()):
        assert encode(node)["plugin"] == name
        assert decode(encode(node), "optimizer") == node


def test_numpy_refuses_them() -> None:
    experiment = Experiment(name="x", model="rosenbrock", optimizer="po-lion")
    with pytest.raises(ExperimentError, match="po-lion trains with backend='torch'"):
        prepare(experiment)


def test_listing_them_imports_neither_torch_nor_the_package() -> None:
    code = (
        "import sys; from tunelab.cli.plugins_command import rows;"
        "assert sum(row.listing.name.startswith('po-') for row in rows()) == int(sys.argv[1]);"
        "assert not any(row.error for row in rows());"
        "print({'torch', 'pytorch_optimizer'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(len(NAMES))], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")

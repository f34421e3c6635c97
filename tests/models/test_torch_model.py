"""A module of one's own in an experiment: its parameters are hyperparameters, and studies of it end well or say why."""

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from laws import zoo
from laws.modules import Rows, experiment
from torch import nn

from tunelab import Choice, Experiment, Float, Int, Study, Torch
from tunelab.contracts import Inputs, Outputs
from tunelab.errors import AllTrialsFailed, ExperimentError, PluginError
from tunelab.models import TorchModel
from tunelab.tracking.memory import MemoryTracker
from tunelab.trial import State


def net(in_features: int, out_features: int, width: int = 8, dropout: float = 0.0) -> nn.Module:
    layers = (nn.Linear(in_features, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, out_features))
    return nn.Sequential(nn.Flatten(), *layers)


class Net(nn.Sequential):
    """The same as a class."""

    def __init__(self, width: int, bias: bool = True) -> None:
        super().__init__(nn.Linear(64, width, bias=bias), nn.Tanh(), nn.Linear(width, 10))


def study(made: Experiment, **settings: Any) -> Study:
    plain: dict[str, Any] = {"trials": 6, "executor": "inline", "tracker": MemoryTracker()}
    return made.run(**(plain | settings))


def test_the_data_decides_the_sizes() -> None:
    model = TorchModel(net, width=5)
    assert repr(model) == "net(width=5, dropout=0.0)"
    made = model.module(Inputs((1, 8, 8)), Outputs(10))
    assert (made[1].in_features, made[1].out_features, made[-1].out_features) == (64, 5, 10)


def test_a_class_is_as_good_as_a_function() -> None:
    made = TorchModel(Net, width=5, bias=False).module(Inputs((64,)), Outputs(10))
    assert isinstance(made, Net)
    assert made[0].bias is None


def test_what_is_wrong_is_refused_at_once() -> None:
    with pytest.raises(PluginError, match="'depth'"):
        TorchModel(net, depth=3)
    with pytest.raises(PluginError, match="width"):
        TorchModel(Net)
    with pytest.raises(PluginError, match="needs the class or function"):
        TorchModel()
    with pytest.raises(ExperimentError, match=r"is a PyTorch module, and backend='numpy'.*say backend='torch'"):
        study(experiment(zoo.mlp, backend="numpy"))
    with pytest.raises(ExperimentError, match=r"loss=.*functions of your own measure PyTorch modules"):
        study(experiment(zoo.mlp, model="mlp", loss=nn.CrossEntropyLoss()))
    with pytest.raises(ExperimentError, match="is not measured; did you mean 'val_loss'"):
        study(experiment(zoo.mlp, minimize="val_los"))


def test_a_study_searches_structure_and_rates() -> None:
    model = TorchModel.search(net, width=Choice(4, 8), dropout=Float(0.0, 0.5))
    found = study(experiment(model, maximize="val_accuracy"), trials=10)
    assert {result.trial.params["model.width"] for result in found.trials} == {4, 8}
    assert len({result.trial.params["model.dropout"] for result in found.trials}) > 5
    assert {str(result.state) for result in found.trials} == {"complete"}
    assert found.notes == ()


def test_an_experiment_over_a_module_survives_json() -> None:
    model = TorchModel.search(net, width=Int(4, 8), dropout=0.1)
    made = experiment(model, backend=Torch(accumulate=2), metrics={"distance": nn.functional.mse_loss})
    again = Experiment.from_json(made.to_json())
    assert again.model == made.model
    assert again.backend == made.backend


@pytest.mark.parametrize("build", [zoo.branching, zoo.defined_inside], ids=lambda build: build.__name__)
def test_a_study_says_once_why_trials_train_one_at_a_time(build: Any) -> None:
    found = study(experiment(build, batch_size=Choice(8, 16)))
    assert len(found.trials) == 6
    assert len(found.notes) == 1
    assert found.notes[0].startswith("trials train one at a time: ")


def test_an_accuracy_that_cannot_be_measured_is_no_objective() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(64, 1), nn.Flatten(0))

    def loss(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return nn.functional.binary_cross_entropy_with_logits(out, y.to(out.dtype))

    with pytest.raises(AllTrialsFailed, match=r"val_accuracy was not measured.*\(rows, 2\)"):
        study(experiment(build, "two", loss=loss, maximize="val_accuracy"))


def test_a_module_that_always_fails_ends_the_study_with_its_reason() -> None:
    with pytest.raises(AllTrialsFailed, match=r"must return a tensor of shape \(10, 10\).*returned .* \(10, 3\)"):
        study(experiment(lambda: nn.Linear(64, 3)))


def test_one_width_that_fails_leaves_the_others() -> None:
    def build(width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(64, width), nn.Linear(8, 10))

    found = study(experiment(TorchModel.search(build, width=Choice(8, 9))), trials=12)
    for result in found.trials:
        fits = result.trial.params["model.width"] == 8
        assert result.state is (State.COMPLETE if fits else State.FAILED)
        assert fits or "the module raised RuntimeError: mat1 and mat2 shapes" in str(result.reason)


def test_a_device_that_is_not_here_is_refused_before_anything_trains() -> None:
    made = experiment(zoo.mlp, backend=Torch(device="cuda:7"))
    with pytest.raises(ExperimentError, match=r"there is no device 'cuda:7' here; there is cpu.*device='auto'"):
        study(made)
    with pytest.raises(ExperimentError, match="there is no device 'cuda:7' here"):
        study(made, executor="process")


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from tunelab import Choice, Experiment, Torch
from tunelab.models import TorchModel
from tunelab.tracking import MemoryTracker

def net(in_features: int, out_features: int, width: int = 8):
    from torch import nn

    return nn.Sequential(nn.Linear(in_features, width), nn.ReLU(), nn.Linear(width, out_features))

if __name__ == "__main__":
    experiment = Experiment(name="own", data="wine", model=TorchModel.search(net, width=Choice(4, 8)),
                            optimizer=Choice("sgd", "adam"), epochs=2, maximize="val_accuracy", backend="torch")
    study = experiment.run(trials=4, tracker=MemoryTracker())
    print(*[result.state for result in study.trials], study.notes, "torch" in sys.modules)
"""


def test_the_engine_of_a_study_never_imports_torch(tmp_path: Path) -> None:
    script = tmp_path / "own.py"
    script.write_text(textwrap.dedent(SCRIPT).format(tests=str(Path(__file__).parents[1])))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "complete complete complete complete () False"


def test_rows_of_the_rig_are_what_they_say() -> None:
    for kind in ("images", "line", "volume", "text"):
        table = Rows(kind=kind).load()
        assert table.inputs.shape == tuple(table.shape)

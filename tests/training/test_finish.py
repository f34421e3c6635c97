"""The end of a study: the best trial on the test part, and its module as a program."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laws.runs import drawn

from tunelab import Experiment
from tunelab.models import MLP, TorchModel
from tunelab.study.prepare import prepare
from tunelab.training.trained import TrainedModel
from tunelab.training.trainer import Job, Trainer
from tunelab.trial import Finish, Finished, Orders, State, Trial


def digits(**fields: Any) -> Experiment:
    plain: dict[str, Any] = {
        "name": "end", "data": "digits", "model": MLP(width=8), "optimizer": "adam", "epochs": 2, "test": 0.2,
        "minimize": "val_loss",
    }  # fmt: skip
    return Experiment(**(plain | fields))


def ended(made: Experiment) -> tuple[Trainer, Trial, dict[str, np.ndarray]]:
    """Return a trainer that has trained one trial, the trial, and what was kept of it."""
    trainer, (trial,) = Trainer(Job(made, prepare(made)[0])), drawn(made, 1)
    orders = Orders(start=(trial,))
    while not (progress := trainer.round(orders)).ended:
        orders = Orders()
    (end,) = progress.ended
    assert end.state is State.COMPLETE
    assert end.weights is not None
    return trainer, trial, dict(end.weights)


def finish(made: Experiment, *, export: bool = False) -> tuple[Finished, Trial, dict[str, np.ndarray]]:
    trainer, trial, weights = ended(made)
    finished = trainer.round(Orders(finish=Finish(trial, weights, export))).finished
    assert finished is not None
    return finished, trial, weights


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_test_part_is_measured_with_the_weights_that_were_kept(dtype: str) -> None:
    made = digits(dtype=dtype)
    finished, trial, weights = finish(made)
    rows = prepare(made)[0]
    kept = TrainedModel.of(MLP(width=8), weights, rows, dtype, trial.seed)
    found = kept.evaluate(rows.x_test, rows.y_test)
    assert finished.metrics == {f"test_{name}": value for name, value in found.items()}
    assert (finished.programs, finished.notes) == ({}, ())


def test_without_a_test_part_nothing_is_measured() -> None:
    assert finish(digits(test=0.0))[0] == Finished()


def test_a_trainer_trains_nothing_while_it_finishes() -> None:
    made = digits()
    trainer, trial, weights = ended(made)
    other = Trial(1, 1, trial.params)
    trainer.round(Orders(start=(other,)))
    progress = trainer.round(Orders(finish=Finish(trial, weights, export=False)))
    assert (progress.reports, progress.members) == ((), 0)
    assert trainer.round(Orders()).ended[0].trial == 1, "and goes on afterwards"


def test_what_cannot_be_measured_is_noted() -> None:
    trainer, trial, weights = ended(digits())
    del weights["0.bias"]
    finished = trainer.round(Orders(finish=Finish(trial, weights, export=False))).finished
    assert finished is not None
    assert finished.metrics == {}
    assert finished.notes == (
        "the best trial, 0, could not be tested: DataError: 0.bias must have the shape (8,), was None",
    )


# ---- modules


def test_a_module_is_measured_with_the_persons_own_loss_and_metrics() -> None:
    torch = pytest.importorskip("torch")
    from training import nets

    def confident(out: Any, y: Any) -> Any:
        return out.softmax(1).max(1).values.mean()

    loss = torch.nn.CrossEntropyLoss(label_smoothing=0.3)
    made = digits(model=TorchModel(nets.Patchwork), backend="torch", loss=loss, metrics={"confident": confident})
    finished, trial, weights = finish(made)
    rows = prepare(made)[0]
    module = TrainedModel.of(TorchModel(nets.Patchwork), weights, rows, "float32", trial.seed).module()
    with torch.no_grad():
        out, y = module(torch.from_numpy(rows.x_test).float()), torch.from_numpy(rows.y_test)
    assert finished.metrics == {
        "test_loss": pytest.approx(float(loss(out, y)), rel=1e-5),
        "test_accuracy": pytest.approx(float((out.argmax(1) == y).float().mean())),
        "test_confident": pytest.approx(float(confident(out, y)), rel=1e-5),
    }
    assert finished.programs == {}, "nobody asked for one"


def test_a_program_takes_rows_as_they_come(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from training import nets

    made = digits(model=TorchModel(nets.Patchwork), backend="torch", scale="standard")
    finished, trial, weights = finish(made, export=True)
    assert (list(finished.programs), finished.notes) == (["best.pt2"], ())
    (tmp_path / "best.pt2").write_bytes(finished.programs["best.pt2"])
    program = torch.export.load(tmp_path / "best.pt2").module()
    rows, x = prepare(made)[0], made.data.load().x.reshape(-1, 1, 8, 8)
    wanted = TrainedModel.of(TorchModel(nets.Patchwork), weights, rows, "float32", trial.seed).outputs_of(x)
    assert np.array_equal(program(torch.from_numpy(x)).detach().numpy(), wanted)
    assert np.array_equal(program(torch.from_numpy(x.astype(np.float32))).detach().numpy(), wanted), "of any type"


def test_layers_are_no_program() -> None:
    assert finish(digits(), export=True)[0].programs == {}

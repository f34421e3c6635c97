"""Studies on PyTorch's data: what trains, what is told of it, and what a trial says that fails."""

import multiprocessing
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from data.pytorch.sets import (
    COUNT,
    Broken,
    Counted,
    Listed,
    Made,
    Noisy,
    Pairs,
    Plain,
    Ragged,
    Stream,
    Twice,
    Unseeded,
    X,
    Y,
    padded,
)  # fmt: skip
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tunelab import Choice, Experiment, Study
from tunelab.data import TorchData
from tunelab.errors import AllTrialsFailed, DataError, ExperimentError
from tunelab.models import MLP, TorchModel
from tunelab.optimizers import SGD, Adam
from tunelab.study import Snapshot, resume
from tunelab.study.rounds import Rounds
from tunelab.tracking.memory import MemoryTracker
from tunelab.trial import State

from .rig import search, story

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def net(width: int = 5, dropout: float = 0.0) -> "nn.Module":
    return nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Dropout(dropout), nn.Linear(width, 3))


def experiment(**fields: Any) -> Experiment:
    plain: dict[str, Any] = {
        "name": "mine", "data": Noisy(), "model": TorchModel(net), "optimizer": Choice(SGD, Adam), "backend": "torch",
        "batch_size": 8, "epochs": 2,
    }  # fmt: skip
    return Experiment(**(plain | fields))


def studied(folder: Path, made: Experiment, **settings: Any) -> Study:
    return search(made, folder, **({"trials": 3, "population": 3} | settings))


def failed(folder: Path, made: Experiment, **settings: Any) -> str:
    """Return why a study had no complete trial."""
    with pytest.raises(
        AllTrialsFailed, match=r"no trial of mine-1 completed \(3 failed\).*first in trial 0: "
    ) as raised:
        studied(folder, made, **settings)
    return str(raised.value).partition("first in trial 0: ")[2]


WHOLE: dict[str, Any] = {
    "tensors": lambda: (X, Y),
    "tensors in a data set": lambda: TensorDataset(X, Y),
    "a data set": lambda: Noisy(),
    "a loader": lambda: DataLoader(Noisy(), batch_size=8, shuffle=True, drop_last=True),
    "two": lambda: (DataLoader(Noisy(), batch_size=8, num_workers=1), Plain()),
    "a flow": lambda: (Stream(), Plain()),
    "batches of its own": lambda: (DataLoader(Noisy(), batch_sampler=Pairs()), Plain()),
    "read once": lambda: TorchData(Plain(), cache=True),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_study_of_it_completes_and_learns(name: str, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"steps_per_epoch": 4} if name == "a flow" else {}
    if name not in ("a loader", "two", "batches of its own"):
        fields["batch_size"] = 7
    made = Experiment(**{
        "name": "mine", "data": WHOLE[name](), "model": TorchModel(net), "optimizer": Adam(lr=0.03), "epochs": 8,
        "backend": "torch", **fields,
    })  # fmt: skip
    study = studied(tmp_path, made)
    assert study.counts()[State.COMPLETE] == 3
    best = study.best
    assert best is not None
    losses = best.curves["train_loss"].values
    assert losses[-1] < losses[0]
    assert study.notes == ()
    in_memory = "train_accuracy" in best.curves
    assert in_memory == (name in ("tensors", "tensors in a data set", "read once"))
    expected = {"a loader": 8, "two": 8, "batches of its own": "loader"}.get(name, 7)
    assert best.trial.params["batch_size"] == expected
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_a_worker_process_gives_the_curves_of_this_one(workers: int, tmp_path: Path) -> None:
    made = experiment(data=DataLoader(Noisy(), batch_size=8, shuffle=True, num_workers=workers))
    here, there = (studied(tmp_path / each, made, executor=each) for each in ("inline", "process"))
    assert story(here) == story(there)


SCRIPT = """
import random, sys
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tunelab import Experiment
from tunelab.models import TorchModel
from tunelab.tracking.memory import MemoryTracker

class Mine(Dataset):
    def __len__(self):
        return 40
    def __getitem__(self, index):
        return torch.full((4,), index / 40) + 0.1 * random.random() * torch.rand(4), index % 3

def collate(items):
    x, y = zip(*items)
    return torch.stack(x), torch.tensor(y)

def net():
    return nn.Linear(4, 3)

if __name__ == "__main__":
    data = DataLoader(Mine(), batch_size=8, shuffle=True, num_workers=2, collate_fn=collate)
    made = Experiment(name="mine", data=data, model=TorchModel(net), optimizer="adam", backend="torch", epochs=2)
    study = made.run(trials=2, tracker=MemoryTracker(), folder=sys.argv[1])
    print(study.counts())
"""


def test_a_data_set_of_a_script_travels_and_nobody_is_left_behind(tmp_path: Path) -> None:
    script = tmp_path / "own.py"
    script.write_text(SCRIPT)
    found = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    assert "'complete'>: 2" in found.stdout
    left = subprocess.run(["pgrep", "-f", str(script)], capture_output=True, text=True)
    assert left.stdout == ""


# ---- what a trial says that fails


@pytest.mark.parametrize("executor", ["inline", "process"])
@pytest.mark.parametrize("workers", [0, 2])
def test_an_item_that_raises_fails_its_trials_with_trial_item_and_cause(
    workers: int, executor: str, tmp_path: Path
) -> None:
    data = (DataLoader(Broken(1), batch_size=8, shuffle=True, num_workers=workers), Plain())
    said = failed(tmp_path, experiment(data=data), executor=executor)
    assert said.startswith(
        "DataError: item 1 of the training data, Broken, raised ValueError: no such picture (sets.py"
    )


def test_an_item_of_validation_that_raises_is_told_too(tmp_path: Path) -> None:
    said = failed(tmp_path, experiment(data=(Plain(), Broken(1))))
    assert said.startswith("DataError: item 1 of the validation data, Broken, raised ValueError: no such picture")


def test_a_study_goes_on_where_some_trials_fail(tmp_path: Path) -> None:
    class Moody(Plain):
        def __getitem__(self, index: int) -> Any:
            if index % 4 and float(torch.rand(())) < 0.02:
                raise OSError("the disk is tired")
            return super().__getitem__(index)

    study = studied(tmp_path, experiment(data=(Moody(), Plain()), epochs=1), trials=12, population=4)
    counts = study.counts()
    assert 0 < counts[State.FAILED] < 12
    assert counts[State.FAILED] + counts[State.COMPLETE] == 12
    for result in study.trials:
        if result.state is State.FAILED:
            assert "OSError: the disk is tired" in str(result.reason)


def test_what_cannot_be_read_at_all_is_told_before_anything_trains(tmp_path: Path) -> None:
    for data, said in (
        (Broken(0), "item 0 of the training data, Broken, raised ValueError"),
        (Made(lambda index: X[index]), "must give pairs"),
        (Ragged(), "x has another shape from item to item"),
        (Made(lambda index: (X[index], "cat")), "is a pair whose y is of type str"),
        (Counted(), "the validation part is missing"),
        ((Counted(0), Plain()), "the training data, Counted, is empty"),
        ((Stream(), Plain()), "steps_per_epoch is needed: the training data, Stream, does not say how many"),
        ((X, Y - 1), "y of the training part is -1"),
        (Plain(6), "a batch of 8 rows is larger than the training part of 5"),
    ):
        with pytest.raises(DataError, match=said):
            studied(tmp_path, experiment(data=data))


def four(classes: int = 2) -> "nn.Module":
    return nn.Linear(4, classes)


LABELS: dict[str, tuple[Any, Any, str]] = {
    "in memory": (
        (X, Y),
        "auto",
        "the module must return a tensor of shape (8, 3) for 8 rows and 3 or more classes",
    ),
    "listed": (
        Listed(),
        "auto",
        "the module must return a tensor of shape (8, 3) for 8 rows and 3 or more classes",
    ),
    "not listed": (Plain(), "auto", "the loss raised IndexError: Target 2 is out of bounds"),
    "met later": (
        DataLoader(Made(lambda index: (X[index], int(index > 27)), 30), batch_size=8, sampler=range(30)),
        "auto",
        "the module tells 1 classes, so labels must be from 0 to 0; those of a batch are from 0 to 1",
    ),
    "own loss": (
        Plain(),
        "own",
        "the loss raised IndexError: Target 2 is out of bounds.; it was given outputs ",
    ),
    "own loss, met later": (
        DataLoader(Made(lambda index: (X[index], int(index > 27)), 30), batch_size=8, sampler=range(30)),
        "own",
        "the loss raised IndexError: Target 1 is out of bounds.; targets of this batch are from 0 to 1",
    ),
}


@pytest.mark.parametrize("population", [1, 3])
@pytest.mark.parametrize("name", LABELS)
def test_labels_beyond_the_modules_classes_are_told(name: str, population: int, tmp_path: Path) -> None:
    data, loss, said = LABELS[name]
    classes = 1 if "later" in name else 2
    made = experiment(
        data=(data, Plain()) if "later" in name else data,
        model=TorchModel(four, classes=classes),
        loss=nn.CrossEntropyLoss() if loss == "own" else loss,
    )
    assert said in failed(tmp_path, made, population=population)


def test_a_module_may_tell_more_classes_than_were_seen(tmp_path: Path) -> None:
    for data in ((X, Y), Listed(), Plain()):
        study = studied(tmp_path, experiment(data=data, model=TorchModel(four, classes=7), maximize="val_accuracy"))
        assert study.counts()[State.COMPLETE] == 3


def test_sizes_that_the_data_do_not_say_are_asked_for(tmp_path: Path) -> None:
    def sized(in_features: int, out_features: int) -> nn.Module:
        return nn.Linear(in_features, out_features)

    study = studied(tmp_path, experiment(data=Listed(), model=TorchModel(sized)))
    assert study.counts()[State.COMPLETE] == 3
    with pytest.raises(DataError, match="the model sized must know how many classes or values there are to tell"):
        studied(tmp_path, experiment(data=Plain(), model=TorchModel(sized)))


# ---- losses and metrics


def absolute(out: Any, y: Any) -> Any:
    return (out.squeeze(-1) - y).abs().mean()


LOSSES: dict[str, tuple[Any, Any]] = {
    "smoothed": (lambda: nn.CrossEntropyLoss(label_smoothing=0.1), Noisy()),
    "weighted": (lambda: nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0])), Noisy()),
    "leaving out": (lambda: nn.CrossEntropyLoss(ignore_index=-1), TensorDataset(X, Y - 1)),
    "a lambda": (lambda: lambda out, y: nn.functional.cross_entropy(out, y) + 0 * out.mean(), Noisy()),
    "a function": (lambda: absolute, Made(lambda index: (X[index], float(Y[index])))),
    "of many axes": (
        lambda: lambda out, y: ((out.reshape(-1, 1, 3) - y) ** 2).mean(),
        Made(lambda index: (X[index], X[index, :3].reshape(1, 3))),
    ),
}


@pytest.mark.parametrize("executor", ["inline", "process"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_of_ones_own_gets_the_targets_as_they_are(name: str, executor: str, tmp_path: Path) -> None:
    make, data = LOSSES[name]
    model = TorchModel(four, classes=1) if name == "a function" else TorchModel(net)
    study = studied(tmp_path, experiment(data=data, loss=make(), model=model), executor=executor)
    assert study.counts()[State.COMPLETE] == 3
    assert study.notes == ()


BAD_LOSSES = {
    "each row": (lambda out, y: nn.functional.cross_entropy(out, y, reduction="none"), "the loss must be one number"),
    "a float": (lambda out, y: 1.0, "the loss must be one number, the mean over the rows; it was 1.0"),
    "constant": (lambda out, y: out.detach().mean(), "the loss must depend on the module's parameters"),
    "raises": (lambda out, y: out @ y, "the loss raised RuntimeError"),
}


@pytest.mark.parametrize("name", BAD_LOSSES)
@pytest.mark.parametrize("data", [(X, Y), Noisy()], ids=["in memory", "read"])
def test_what_is_no_loss_fails_its_trials(name: str, data: Any, tmp_path: Path) -> None:
    loss, said = BAD_LOSSES[name]
    assert said in failed(tmp_path, experiment(data=data, loss=loss))


def test_metrics_of_torchmetrics_are_measured_for_each_trial_by_itself(tmp_path: Path) -> None:
    classification = pytest.importorskip("torchmetrics.classification")
    metrics = {"f1": classification.MulticlassF1Score(3), "own": lambda out, y: (out.argmax(1) == y).float().mean()}
    made = experiment(data=(Noisy(), Plain()), metrics=metrics, maximize="val_f1", epochs=3)
    together, apart = studied(tmp_path / "a", made), studied(tmp_path / "b", made, population=1)
    for one, other in zip(together.trials, apart.trials, strict=True):
        assert one.curves["val_f1"].values == pytest.approx(other.curves["val_f1"].values, abs=1e-6)
        assert one.curves["val_own"].values == pytest.approx(one.curves["val_accuracy"].values, abs=1e-6)
    assert len({result.curves["val_f1"].values for result in together.trials}) > 1


def test_a_metric_of_the_training_part_is_not_measured_where_that_is_read_item_by_item(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"maximize='train_accuracy' is not measured.*train_loss"):
        studied(tmp_path, experiment(maximize="train_accuracy"))
    assert studied(tmp_path, experiment(minimize="train_loss")).counts()[State.COMPLETE] == 3


# ---- shapes, types and sizes


class Pooling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(1, 3)

    def forward(self, x: Any) -> Any:
        return self.line(x.mean(1, keepdim=True))


def pooling() -> nn.Module:
    return Pooling()


class RarelyRagged(Plain):
    """Rows of one length, but for the last: no batch that is tried shows it."""

    def __getitem__(self, index: int) -> Any:
        return X[index].repeat(1 + (index == len(self) - 1)), int(Y[index])


def of_many_shapes(rows: Plain, size: int) -> Experiment:
    train = DataLoader(rows, batch_size=size, shuffle=True, collate_fn=padded)
    data = (train, DataLoader(rows, batch_size=1))
    return experiment(data=data, model=TorchModel(pooling), batch_size=size)


def test_batches_of_many_shapes_train_one_at_a_time_and_the_study_says_so_once(tmp_path: Path) -> None:
    for rows in (Ragged(), RarelyRagged()):  # seen when one batch is tried; and only later
        study = studied(tmp_path, of_many_shapes(rows, 2))
        assert study.counts()[State.COMPLETE] == 3
        (note,) = study.notes
        assert note.startswith("trials train one at a time: ")
        assert "batches differ in shape" in note


def test_a_study_that_found_out_late_is_resumed_with_what_it_knew(tmp_path: Path) -> None:
    def rounds(folder: Path) -> list[Any]:
        known = [each.progress for each in Rounds(folder / "mine-1").known()]
        return [(each.began, each.again, each.apart, each.alone, each.members, each.capacity) for each in known]

    made, settings = of_many_shapes(RarelyRagged(), 2), {"trials": 10, "seed": 2}
    whole = studied(tmp_path / "whole", made, **settings)
    expected = rounds(tmp_path / "whole")
    assert sum(len(alone) for *_, alone, _, _ in expected) == 1
    for after in (4, 12):

        def watch(snapshot: Snapshot, after: int = after) -> None:
            if sum(1 for _ in Rounds(tmp_path / f"{after}" / "mine-1").known()) == after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            studied(tmp_path / f"{after}", made, watch=watch, **settings)
        found = resume(tmp_path / f"{after}" / "mine-1", made, executor="inline", tracker=MemoryTracker())
        assert rounds(tmp_path / f"{after}") == expected
        assert [result.trial for result in found.trials] == [result.trial for result in whole.trials]


def test_what_cannot_be_repeated_is_noted(tmp_path: Path) -> None:
    (note,) = studied(tmp_path, experiment(data=Unseeded())).notes
    assert note.startswith("the training data, Unseeded: items differ when they are read twice under one seed")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("read", [False, True])
def test_a_module_gets_what_the_data_hold_real_numbers_in_the_dtype(read: bool, dtype: str, tmp_path: Path) -> None:
    for given in (torch.uint8, torch.int64, torch.float16, torch.float64):
        x = (X * 10).to(given)
        seen: list[Any] = []

        class Looking(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.line = nn.Linear(4, 3)

            def forward(self, x: Any) -> Any:
                seen.append((x.dtype, tuple(x.shape[1:])))  # noqa: B023
                return self.line(x.reshape(len(x), -1).to(self.line.weight.dtype))

        def looking() -> nn.Module:
            return Looking()

        shaped = x.reshape(COUNT, 1, 2, 2)
        data = Made(lambda index: (shaped[index], Y[index])) if read else (shaped, Y)  # noqa: B023
        study = studied(tmp_path, experiment(data=data, model=TorchModel(looking), dtype=dtype))
        assert study.counts()[State.COMPLETE] == 3
        expected = getattr(torch, dtype) if given.is_floating_point else given
        assert set(seen) == {(expected, (1, 2, 2))}


@pytest.mark.parametrize("options", [{"batch_size": 4}, {"batch_size": 4, "sampler": range(20)}])
def test_the_batch_size_of_a_loader_may_be_searched(options: Any, tmp_path: Path) -> None:
    data = (DataLoader(Noisy(), **options), Plain())
    made = experiment(data=data, batch_size=Choice(4, 8, 16), epochs=1)
    study = studied(tmp_path, made, trials=8)
    steps = {r.trial.params["batch_size"]: len(r.curves["val_loss"].epochs) for r in study.trials}
    assert len(steps) > 1
    assert study.counts()[State.COMPLETE] == 8


def test_the_batch_size_of_a_loader_that_draws_batches_may_not(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="the DataLoader draws batches by itself"):
        experiment(data=(DataLoader(Noisy(), batch_sampler=Pairs()), Plain()), batch_size=Choice(4, 8))
    full = {"optimizer": "gradient-descent"}
    said = failed(tmp_path, experiment(data=(DataLoader(Noisy(), sampler=Twice()), Plain()), **full))
    assert said.startswith("DataError: batch_size='full': the training data, Noisy, must have items with numbers")


# ---- models of layers


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_models_of_layers_train_on_tensors(backend: Any, tmp_path: Path) -> None:
    made = experiment(data=(X, Y), model=MLP(width=4), backend=backend, test=0.2, scale="standard", epochs=5)
    study = studied(tmp_path, made)
    assert study.counts()[State.COMPLETE] == 3
    assert set(study.test) == {"test_loss", "test_accuracy"}
    assert study.best_model().predict(X.numpy()).shape == (COUNT,)
    values = experiment(data=TensorDataset(X, X[:, 0]), model=MLP(width=4), backend=backend)
    assert studied(tmp_path, values).counts()[State.COMPLETE] == 3


def test_models_of_layers_train_on_what_is_read_once_and_not_on_what_is_read_each_time(tmp_path: Path) -> None:
    made = experiment(data=TorchData(Plain(), cache=True), model="mlp", backend="numpy")
    assert studied(tmp_path, made).counts()[State.COMPLETE] == 3
    said = r"the model mlp trains on rows in memory, and the training data, Noisy, is read item by item; .*cache=True"
    with pytest.raises(DataError, match=said):
        studied(tmp_path, experiment(model=Choice(TorchModel(net), "mlp")))
    with pytest.raises(DataError, match=r"the model mlp needs rows of real numbers, and these are int64; give x"):
        studied(tmp_path, experiment(data=(X.long(), Y), model="mlp"))


# ---- what is recorded


def test_what_a_tracker_is_told_of_the_data(tmp_path: Path) -> None:
    told = []
    for data in (
        (X, Y),
        (Noisy(), TensorDataset(X, Y)),
        {"train": Stream(), "validation": Listed(), "test": Listed(5)},
    ):
        tracker = MemoryTracker()
        studied(tmp_path, experiment(data=data, steps_per_epoch=2), tracker=tracker)
        assert tracker.study is not None
        told.append(tracker.study.data)
    one, two, last = told
    assert one is not None
    assert two is not None
    assert last is not None
    assert (one.name, one.source, one.rows) == (
        "torch",
        "TensorDataset of 30",
        {"train": 24, "validation": 6, "test": 0},
    )
    assert (one.features, one.targets, one.outputs) == (4, "classes", 3)
    assert (two.source, two.rows) == ("Noisy of 30", {"train": 30, "validation": 30, "test": 0})
    assert (two.features, two.targets, two.outputs) == (4, "classes", 0)
    assert (last.source, last.rows) == ("Stream", {"validation": 30, "test": 5})
    assert len({each.fingerprint for each in (one, two, last)}) == 3


def test_the_engine_of_a_study_on_modules_and_arrays_still_imports_no_torch(tmp_path: Path) -> None:
    code = """
        import sys
        from tunelab import Experiment
        from tunelab.models import MLP
        from tunelab.tracking.memory import MemoryTracker
        made = Experiment(name="x", data="wine", model=MLP(width=2), optimizer="sgd", backend="torch", epochs=1)
        made.run(trials=1, tracker=MemoryTracker(), folder=sys.argv[1])
        assert "torch" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), tmp_path], check=True, timeout=120)

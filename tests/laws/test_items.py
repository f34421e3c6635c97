"""The laws for data that is read item by item: a trial is a pure function of its seed, transforms and all."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, WeightedRandomSampler

from laws import zoo
from laws.checks import same as same_bits
from laws.modules import Left, close_law, experiment, near, same, trained
from laws.runs import drawn
from tunelab import Choice, Experiment, Float
from tunelab.optimizers import SGD, Adam, Momentum
from tunelab.trial import State, Trial

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")

PIXELS, LABELS = load_digits(return_X_y=True)
X = torch.from_numpy(PIXELS[:60] / 16).float()
Y = torch.from_numpy(LABELS[:60]).long()


class Pictures(Dataset[Any]):
    """A few digits; noise, brightness and a flip from the three generators."""

    def __init__(self, noise: float = 0.0) -> None:
        self.noise, self.targets = noise, Y

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> Any:
        x = X[index]
        if self.noise:
            x = x + self.noise * torch.randn(64) + self.noise * np.random.randn()
            x = x.flip(0) if random.random() < self.noise else x
        return x, int(Y[index])


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Any:
        while True:
            index = np.random.randint(len(X))
            yield X[index] + 0.1 * torch.randn(64), int(Y[index])


HELD_OUT = TensorDataset(X, Y)
RANDOM: dict[str, Any] = {
    "a data set": lambda: Pictures(0.1),
    "a loader": lambda: DataLoader(Pictures(0.1), batch_size=10, shuffle=True, drop_last=True),
    "processes": lambda: DataLoader(Pictures(0.1), batch_size=10, shuffle=True, num_workers=2),
    "weights": lambda: (DataLoader(Pictures(0.1), 10, sampler=WeightedRandomSampler(1.0 + Y, 55)), HELD_OUT),
    "a flow": lambda: {"train": Endless(), "validation": Pictures(0.1)},
}


def read(name: str, build: Any = None, **fields: Any) -> Experiment:
    steps = {"steps_per_epoch": 5} if name == "a flow" else {}
    return experiment(build or zoo.dropout, data=RANDOM[name](), **steps, **fields)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RANDOM)
def test_a_member_trains_alike_alone_and_in_company(name: str, dtype: str) -> None:
    close_law(read(name, dtype=dtype))


def test_members_at_different_epochs_train_beside_each_other() -> None:
    made = read("a data set", epochs=Choice(1, 3), dtype="float64")
    trials = [Trial(t.number, t.seed, {**t.params, "epochs": 1 + 2 * (t.number % 2)}) for t in drawn(made, 4)]
    together = trained(made, trials, 2)
    assert {progress.members for progress in together.run.progress} >= {2}
    for trial in trials:
        same(trained(made, [trial], 1), together, trial.number, 1e-9)


@pytest.mark.parametrize("name", RANDOM)
def test_one_seed_gives_the_same_bits_each_time(name: str) -> None:
    made = read(name)
    trials = drawn(made, 3)
    first = trained(made, trials).run
    torch.manual_seed(99), np.random.seed(99), random.seed(99)
    same_bits(first.outcomes, trained(read(name), trials).run, [0, 1, 2])


def test_processes_that_read_change_no_bit() -> None:
    given = [DataLoader(Pictures(0.1), batch_size=10, shuffle=True, num_workers=workers) for workers in (0, 2)]
    here, there = (experiment(zoo.dropout, data=data) for data in given)
    trials = drawn(here, 3)
    same_bits(trained(here, trials).run.outcomes, trained(there, trials).run, [0, 1, 2])


def test_who_diverges_or_is_stopped_changes_no_neighbour() -> None:
    made = read("a data set", zoo.mlp, optimizer=SGD.search(lr=Float(0.01, 1e12)), dtype="float64")
    trials = drawn(made, 4)
    calm = [Trial(t.number, t.seed, {**t.params, "optimizer.lr": 0.02}) for t in trials]
    wild = [*calm[:1], Trial(1, calm[1].seed, {**calm[1].params, "optimizer.lr": 1e12}), *calm[2:]]
    beside, without = trained(made, wild, 4), trained(made, [calm[0], *calm[2:]], 4)
    assert beside.run[1].end[0] == State.DIVERGED
    for number in (0, 2, 3):
        same(without, beside, number, 1e-9)


def test_the_order_in_which_trials_come_changes_nothing() -> None:
    made = read("a data set", dtype="float64")
    trials = drawn(made, 4)
    turned = [Trial(3 - trial.number, trial.seed, trial.params) for trial in trials]
    first, other = trained(made, trials, 4), trained(made, turned, 4)
    for number in range(4):
        assert first.losses(number) == pytest.approx(other.losses(3 - number), rel=1e-9)


def test_a_population_at_most_of_one_reads_what_a_larger_one_reads() -> None:
    read_by: dict[int, list[int]] = {1: [], 3: []}
    for population, seen in read_by.items():

        class Watched(Pictures):
            def __getitem__(self, index: int) -> Any:
                seen.append(index)  # noqa: B023
                return super().__getitem__(index)

        made = experiment(zoo.mlp, data=(Watched(), HELD_OUT), epochs=1, optimizer=Adam(lr=0.01))
        trained(made, drawn(made, 3), population)
    assert sorted(read_by[1]) == sorted(read_by[3])


# ---- what is the same as rows in memory


def curves(left: Left, number: int, names: tuple[str, ...]) -> list[float]:
    return [value for name in names for value in left.run[number].metric(name)]


MEASURED = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")


@pytest.mark.parametrize("batch_size", [10, 7, "full"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tensors_train_exactly_as_arrays_do(dtype: str, batch_size: Any) -> None:
    arrays = experiment(
        zoo.dropout, data=(X.double().numpy(), Y.numpy()), scale="none", dtype=dtype, batch_size=batch_size
    )
    trials = drawn(arrays, 3)
    expected = trained(arrays, trials)
    for data in ((X, Y), TensorDataset(X, Y), DataLoader(TensorDataset(X, Y), batch_size=3, shuffle=True)):
        found = trained(experiment(zoo.dropout, data=data, dtype=dtype, batch_size=batch_size), trials)
        for number in range(3):
            assert curves(found, number, MEASURED) == curves(expected, number, MEASURED)
            near(found.members[number].theta, expected.members[number].theta, 0)


@pytest.mark.parametrize("batch_size", [10, 7, "full"])
@pytest.mark.parametrize("workers", [0, 2])
def test_items_without_transforms_train_exactly_as_rows_in_memory(workers: int, batch_size: Any) -> None:
    rows = experiment(zoo.dropout, data=(X, Y), batch_size=batch_size)
    data = DataLoader(Pictures(), batch_size=192, shuffle=True, num_workers=workers)
    items = experiment(zoo.dropout, data=data, batch_size=batch_size)
    trials = drawn(rows, 3)
    expected, found = trained(rows, trials), trained(items, trials)
    for number in range(3):
        assert torch.equal(found.members[number].theta, expected.members[number].theta)
        assert curves(found, number, MEASURED[2:]) == curves(expected, number, MEASURED[2:])


def test_the_training_loss_of_items_is_the_mean_over_the_steps_of_the_epoch() -> None:
    class Still(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            return self.line(x)

    def build() -> nn.Module:
        return Still()

    slow = Momentum(lr=1e-12, momentum=0.0)
    rows, items = (
        trained(
            experiment(build, data=data, optimizer=slow, dtype="float64"), [Trial(0, 3, {"epochs": 2, "batch_size": 7})]
        )
        for data in ((X, Y), Pictures())
    )
    assert items.run[0].metric("train_loss") == pytest.approx(rows.run[0].metric("train_loss"), rel=1e-9)
    assert "train_accuracy" not in items.run[0].reports[1].metrics


def test_validation_is_read_under_the_same_random_numbers_each_time_and_once_for_all() -> None:
    read_by: list[int] = []

    class Watched(Pictures):
        def __getitem__(self, index: int) -> Any:
            read_by.append(index)
            return super().__getitem__(index)

    still = Momentum(lr=1e-12, momentum=0.0)
    made = experiment(zoo.mlp, data=(Pictures(0.1), Watched(0.1)), optimizer=still, epochs=3, dtype="float64")
    trials = [Trial(number, 3, {"epochs": 3, "batch_size": 10}) for number in range(2)]
    left = trained(made, trials, 2)
    losses = left.run[0].metric("val_loss")
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-9)
    looked_at = 3 * 8
    assert len(read_by) == looked_at + 3 * 60, "once an epoch, for both"

"""What a module is tried for before anything trains: does it work, may its members train together, and how many."""

import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
from laws import zoo
from laws.modules import ended, experiment, rows_of, trained
from laws.runs import drawn
from torch import nn
from torch.nn import functional

from tunelab import Choice, Torch
from tunelab.backends import backend_of
from tunelab.backends.pytorch import fit as room
from tunelab.backends.pytorch.network import ModuleNetwork
from tunelab.errors import ExperimentError
from tunelab.models import TorchModel
from tunelab.training.networks import network_of
from tunelab.trial import State


def fitted(made: Any, wanted: int | None = None, largest: int = 16) -> tuple[ModuleNetwork, int]:
    """Return a network, and how many of its members may train together."""
    parts, backend = rows_of(made), backend_of(made.backend, made.dtype)
    network = network_of(made, made.configure(dict(drawn(made, 1)[0].params)), parts)
    assert isinstance(network, ModuleNetwork)
    rows = slice(0, 10)
    x, y = backend.asarray(parts.x_train[rows]), backend.asarray(parts.y_train[rows])
    return network, network.fit(backend, x, y, wanted, largest)


def test_as_many_train_together_as_are_wanted_or_as_the_cache_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    made = experiment(zoo.mlp)
    assert fitted(made)[1] == 16
    assert fitted(made, largest=5)[1] == 5
    assert fitted(made, wanted=40)[1] == 40
    numbers = 64 * 12 + 12 + 12 * 10 + 10
    monkeypatch.setattr(room, "CACHE", 3 * 5 * 4 * numbers)
    assert fitted(made)[1] == 2, "activations take room too"


def test_one_that_was_asked_for_is_not_explained() -> None:
    network, places = fitted(experiment(zoo.mlp), wanted=1)
    assert (places, network.alone, network.shares) == (1, None, True)
    made = experiment(zoo.branching)
    assert trained(made, drawn(made, 2), 1).notes == []


WHY: dict[Callable[..., Any], str] = {
    zoo.branching: "what its forward does depends on the data (`if` on a tensor, or a loop)",
    zoo.itemising: "what its forward does depends on the data (`.item()`, `float` or `int` of a tensor)",
    zoo.batch_norm_cumulative: "what its forward does depends on the data (`.item()`, `float` or `int` of a tensor)",
    zoo.capturing: "its forward changes in place what all members share",
    zoo.counting_calls: "its forward changes attributes of the module",
    zoo.projecting: "two modules made alike differ in projection",
    zoo.defined_inside: "two modules made alike differ in the module (its class is made anew each time)",
    zoo.parametrized: "two modules made alike differ in 0 (its class is made anew each time)",
    zoo.mixing: "its outputs for a member depend on who trains beside it, or on what it saw before",
}


@pytest.mark.parametrize("build", WHY, ids=lambda build: build.__name__)
def test_a_person_is_told_why_in_plain_words(build: Any) -> None:
    network, places = fitted(experiment(build, zoo.ALONE[build]))
    assert (network.alone, places, network.shares) == (WHY[build], 1, False)


def test_a_recurrent_layer_says_what_pytorch_says() -> None:
    network, places = fitted(experiment(zoo.gated, "line"))
    assert places == 1
    assert network.alone
    assert "\n" not in network.alone


def test_a_large_module_trains_alone() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(64, 14_000), nn.Linear(14_000, 10))

    network, places = fitted(experiment(build))
    assert places == 1
    assert network.alone == "a module of 1,000,000 parameters or more keeps a processor busy by itself"


def test_one_that_is_compiled_trains_alone() -> None:
    network, places = fitted(experiment(zoo.mlp, backend=Torch(compile=True)))
    assert (network.alone, places) == ("torch.compile was asked for", 1)


def test_half_precision_trains_together() -> None:
    for build in (zoo.mlp, zoo.convolution_and_max_pool, zoo.batch_norm_1d, zoo.dropout):
        network, places = fitted(
            experiment(build, zoo.TOGETHER.get(build, "flat"), backend=Torch(precision="bfloat16"))
        )
        assert (network.alone, places) == (None, 16), build


class Forward(nn.Module):
    """A linear layer, and whatever is done to its outputs."""

    def __init__(self, then: Callable[[torch.Tensor], Any], outputs: int = 10) -> None:
        super().__init__()
        self.inner, self.then = nn.Linear(64, outputs), then

    def forward(self, x: torch.Tensor) -> Any:
        return self.then(self.inner(x))


def refused(build: Callable[..., Any], *args: Any, **fields: Any) -> str:
    """Return why no trial could train."""
    made = experiment(build, *args, **fields)
    left = trained(made, drawn(made, 2))
    assert {outcome.end[0] for outcome in left.run.outcomes.values()} == {"failed"}
    reasons = {str(outcome.end[3]) for outcome in left.run.outcomes.values()}
    assert len(reasons) == 1
    return reasons.pop()


WRONG: dict[str, tuple[Callable[[], Any], str, str]] = {
    "too few classes": (
        lambda: nn.Linear(64, 9),
        "flat",
        r"must return a tensor of shape \(10, 10\) for 10 rows and 10 classes; it returned .* shape \(10, 9\)",
    ),
    "no row axis": (lambda: Forward(lambda out: out.mean(0)), "flat", r"it returned a tensor of shape \(10,\)"),
    "a tuple": (lambda: Forward(lambda out: (out, out)), "flat", r"shape \(10, 10\) .*; it returned tuple"),
    "flat values": (
        lambda: Forward(lambda out: out[:, 0], 2),
        "values",
        r"must return a tensor of shape \(10, 2\) for 10 rows and 2 values a row; .* shape \(10,\)",
    ),
    "images into a linear layer": (
        lambda: nn.Linear(64, 10),
        "images",
        r"the module raised RuntimeError: .*; it was given rows of shape \(10, 1, 8, 8\) and type torch.float32",
    ),
    "symbols": (lambda: nn.Linear(16, 10), "text", r"rows of shape \(10, 16\) and type torch.int64"),
    "no module": (lambda: 3, "flat", "the model must make a torch.nn.Module, made 3"),
    "a class": (lambda: nn.Linear, "flat", "must make a torch.nn.Module, made <class"),
    "lazy": (lambda: nn.LazyLinear(10), "flat", "weight has no shape yet: lazy modules get theirs from a first batch"),
    "nothing to train": (lambda: nn.Flatten(), "flat", "the module has no parameters to train"),
    "all frozen": (lambda: nn.Linear(64, 10).requires_grad_(False), "flat", "the module has no parameters to train"),
    "detached": (lambda: Forward(torch.Tensor.detach), "flat", "the loss must depend on the module's parameters"),
    "complex": (lambda: Forward(lambda out: out, 10).to(torch.complex64), "flat", "must be real, was torch.complex64"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Complex modules are a new feature")
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_module_fails_with_a_message(name: str) -> None:
    build, kind, message = WRONG[name]
    assert_matches(message, refused(build, kind))


LOSSES: dict[str, tuple[Callable[..., Any], str]] = {
    "one a row": (
        lambda out, y: functional.cross_entropy(out, y, reduction="none"),
        r"the loss must be one number, the mean over the rows; it was a tensor of shape \(10,\)",
    ),
    "a number": (lambda out, y: 0.5, "the loss must be one number, the mean over the rows; it was 0.5"),
    "without a gradient": (
        lambda out, y: functional.cross_entropy(out.detach(), y),
        "the loss must depend on the module's parameters; it returned",
    ),
    "of the wrong type": (
        functional.binary_cross_entropy,
        r"the loss raised ValueError: .*; it was given outputs of shape \(10, 10\) .* targets of shape \(10,\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_a_wrong_loss_fails_with_a_message(name: str) -> None:
    loss, message = LOSSES[name]
    assert_matches(message, refused(zoo.mlp, loss=loss))


def assert_matches(pattern: str, text: str) -> None:
    with pytest.raises(ExperimentError, match=pattern):
        raise ExperimentError(text)


class Late(nn.Module):
    """Raises once its parameters have gone far enough."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.inner.bias.detach().abs().max() > 2:
            raise ValueError("too far")
        return self.inner(x)


def late() -> nn.Module:
    return Late()


def test_a_forward_that_raises_in_a_later_epoch_fails_its_trial_alone() -> None:
    made = experiment(late, optimizer="sgd", epochs=4)
    slow, fast = drawn(made, 2)
    fast = type(fast)(1, 1, fast.params | {"optimizer.lr": 8.0})
    slow = type(slow)(0, 0, slow.params | {"optimizer.lr": 0.001})
    left = trained(made, [slow, fast])
    assert ended(left, 0).state is State.COMPLETE
    assert ended(left, 1).state is State.FAILED
    assert ended(left, 1).reason == "ValueError: too far"


def test_a_batch_norm_that_meets_one_row_fails_its_trials_with_pytorchs_word() -> None:
    made = experiment(zoo.batch_norm_1d, count=61, batch_size=12)  # 49 rows to train on
    left = trained(made, drawn(made, 2))
    reasons = {str(outcome.end[3]) for outcome in left.run.outcomes.values()}
    assert all("Expected more than 1 value per channel when training" in reason for reason in reasons)


def test_parameters_that_are_searched_and_change_the_structure_split_populations() -> None:
    def build(tied: bool) -> nn.Module:
        made = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10))
        if tied:
            made[1].weight = made[0].weight
        return made

    made = experiment(TorchModel.search(build, tied=Choice(True, False)))
    trials = drawn(made, 6)
    sizes = {left.network.size for left in trained(made, trials).members.values()}
    assert sizes == {2 * 64 * 64 + 128 + 650, 64 * 64 + 128 + 650}


def test_trying_a_module_leaves_nothing_in_memory() -> None:
    # a graph that holds its own outputs is never freed, and a large module with it
    gc.collect()
    before = _parameters()
    fitted(experiment(zoo.mlp))
    fitted(experiment(zoo.branching))
    gc.collect()
    assert _parameters() <= before


def _parameters() -> int:
    return sum(type(each) is nn.Parameter and not each.is_meta for each in gc.get_objects())

"""The laws of a model: its layers, their gradient, and that members do not meet in it."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import ClassVar

import numpy as np
import pytest

from tunelab.contracts import Layer, LayerModel, Seats, Targets
from tunelab.errors import DataError
from tunelab.experiments import Experiment
from tunelab.optimizers import SGD
from tunelab.testing.contract import require_contract, require_json, searches
from tunelab.testing.entrant import Entrant, varied
from tunelab.testing.problem import Poisoned, Problem
from tunelab.testing.trace import require_same, train
from tunelab.training.network import LayerNetwork
from tunelab.training.streams import Purpose, stream

COORDINATES = 200
"""Parameters at which a gradient is compared at most; of a larger network, a sample."""

OWN_ROW = (
    "Contract: axis 0 of inputs, outputs and parameters is the members, and a layer combines numbers of one member "
    "only. (A sum over an axis that NumPy fuses with the members' may differ in its last bit: matmul does not.)"
)


class ModelConformance:
    """Inherit, and give a `model`: a test class then holds it to its laws.

        import pytest
        from tunelab.testing import ModelConformance

        class TestMine(ModelConformance):
            @pytest.fixture
            def model(self):
                return Mine(width=8)

    A model for data is tried on classes and on values, but for those that it refuses with a `DataError`. Keep it
    small: a gradient is compared at every parameter, up to 200.

    Attributes:
        inputs, outputs: the numbers that a row comes with, and classes or values that belong to it.
    """

    inputs: ClassVar[int] = 6
    outputs: ClassVar[int] = 3

    @pytest.fixture
    def model(self) -> LayerModel:
        """Return the model under test."""
        raise NotImplementedError("define a fixture named `model` that returns the model under test")

    def test_it_keeps_the_contract(self, model: LayerModel) -> None:
        """Every range and default lies within its field's bounds, and every default in its range."""
        require_contract(model, LayerModel)

    def test_it_survives_json(self, model: LayerModel) -> None:
        """An experiment with it, fixed or searched, can be written and read back."""
        for spelt in searches(model):
            require_json(Experiment(name="conformance", model=spelt, optimizer="sgd"))

    def test_it_lays_out_equal_layers_each_time(self, model: LayerModel) -> None:
        """Two trials share a population if their layers are equal."""
        for problem in self._problems(model, "float64"):
            layers = model.layers(*_ends(problem))
            assert isinstance(layers, tuple), f"{model!r}: layers must return a tuple, was {type(layers).__name__}"
            odd = [layer for layer in layers if not isinstance(layer, Layer)]
            assert not odd, f"{model!r}: every layer must be a tunelab.contracts.Layer, was {odd[0]!r}"
            assert layers, f"{model!r}: layers returned none; at least one is needed"
            assert problem.network == problem.network, (
                f"{model!r}: its network differs from one time to the next, so its trials never train together; "
                "make every layer and loss a frozen dataclass"
            )
            hash(problem.network)
            assert problem.network.size, f"{model!r}: there is no parameter to train"

    def test_outputs_have_the_shape_that_the_loss_needs(self, model: LayerModel) -> None:
        """A number for each class or value, for every row and member; rows stay as they were."""
        for problem in self._problems(model, "float64"):
            rig = Rig(problem, members=2)
            x, _ = problem.rows()
            x.flags.writeable = False
            try:
                out = rig.passes.outputs(x)
            except ValueError as error:
                raise AssertionError(
                    f"{model!r}: {error}. Contract: forward leaves its inputs as they are, and "
                    "returns what the next layer or the loss takes"
                ) from error
            wanted = (2, len(x), problem.outputs)
            assert problem.targets == "none" or out.shape == wanted, (
                f"{model!r}: for {wanted[0]} members, {len(x)} rows and {problem.outputs} {problem.targets} the "
                f"outputs must be {wanted}, were {out.shape}"
            )

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_every_gradient_is_written_and_finite(self, model: LayerModel, dtype: str) -> None:
        """Backward leaves no parameter's gradient as it found it, and keeps the dtype."""
        for problem in self._problems(model, dtype):
            rig = Rig(problem, members=3)
            losses = rig.gradient()
            assert losses.shape == (3,), f"{model!r}: the loss must be one number a row and member"
            for index, parameter, where in rig.network.parameters():
                name = f"{type(rig.network.layers[index]).__name__}.{parameter.name} (layer {index})"
                assert np.isfinite(rig.grad[:, where]).all(), (
                    f"{model!r}: the gradient of {name} is not finite, or backward did not write it into "
                    f"grads[{parameter.name!r}]"
                )

    def test_the_gradient_is_the_central_difference(self, model: LayerModel) -> None:
        """In float64, to 1e-6 of the gradient."""
        for problem in self._problems(model, "float64"):
            rig = Rig(problem, members=1)
            rig.gradient()
            places = _places(rig.network.size)
            numeric, analytic = _central_differences(problem, rig.theta[0], places), rig.grad[0, places]
            tolerance = 1e-6 * (np.abs(numeric) + np.abs(numeric).max())
            wrong = np.flatnonzero(np.abs(analytic - numeric) > tolerance)
            assert not len(wrong), (
                f"{model!r}: the gradient of {_where(rig.network, places[wrong[0]])} is {analytic[wrong[0]]:.9g}, and "
                f"by central differences of the loss {numeric[wrong[0]]:.9g}; {len(wrong)} of {len(places)} are wrong. "
                "Contract: backward writes the derivative of forward into grads, and returns that of its inputs"
            )

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_a_member_trains_alike_alone_and_among_others(self, model: LayerModel, dtype: str) -> None:
        """The member law, beside members of other seeds, and other numbers where members may differ."""
        for problem in self._problems(model, dtype):
            entrants = _entrants(problem)
            together = train(problem, entrants)
            for entrant in entrants:
                alone = train(problem, [entrant])[entrant.number]
                saying = f"trains otherwise in a population of {len(entrants)} than alone"
                require_same(alone, together[entrant.number], entrant, saying, OWN_ROW)

    def test_a_neighbour_that_diverges_changes_nothing(self, model: LayerModel) -> None:
        """The isolation law: a member whose parameters are no numbers leaves the others alone."""
        for problem in self._problems(model, "float32"):
            bystanders = [replace(entrant, number=2 * entrant.number + 1) for entrant in _entrants(problem)[:4]]
            troubled = Entrant(2, SGD(lr=0.01), seed=7, poisoned=float("nan"))
            without, beside = train(problem, bystanders), train(problem, [*bystanders, troubled])
            for entrant in bystanders:
                found = beside[entrant.number]
                saying = "trains otherwise beside a member that is all NaN"
                require_same(without[entrant.number], found, entrant, saying, OWN_ROW)

    def test_training_twice_gives_the_same_bits(self, model: LayerModel) -> None:
        """Noise comes from the member's own stream, and nothing is kept between trainings."""
        for problem in self._problems(model, "float64"):
            entrants = _entrants(problem)[:2]
            first, second = train(problem, entrants), train(problem, entrants)
            for entrant in entrants:
                contract = "Contract: random numbers come from tape.uniform, and layers keep nothing on themselves."
                saying = "trains otherwise a second time"
                require_same(first[entrant.number], second[entrant.number], entrant, saying, contract)

    def _problems(self, model: LayerModel, dtype: str) -> list[Problem]:
        """Return what the model can be trained on."""
        every: tuple[Targets, ...] = ("none", "classes", "values")
        fits = [targets for targets in every if _fits(model, targets)]
        assert fits, f"{model!r}: its loss fits neither classes nor values nor a function without data"
        return [Problem(model, targets, dtype, inputs=self.inputs, outputs=self.outputs) for targets in fits]


class Rig:
    """A network of some members at random parameters, on all rows.

    Args:
        problem: what is computed.
        members: how many.
        theta: their parameters `(P, n)`; by default near their initial ones, and none zero.
    """

    def __init__(self, problem: Problem, *, members: int = 1, theta: np.ndarray | None = None) -> None:
        backend = Poisoned(problem.dtype)
        self.network, self._problem = problem.network, problem
        near = [
            self.network.initial(seed) + 0.3 * np.random.default_rng(seed).standard_normal(self.network.size)
            for seed in range(members)
        ]
        self.theta = backend.asarray(np.stack(near) if theta is None else theta)
        self.grad = backend.empty(self.theta.shape)
        rates = [np.full((len(self.theta), 1, 1), layer.rate(), problem.dtype) for layer in self.network.layers]
        same_noise = lambda: [stream(0, Purpose.NOISE) for _ in self.theta]  # noqa: E731
        self.passes = self.network.passes(backend, Seats(self.theta, self.grad, {}, rates, same_noise))

    def gradient(self) -> np.ndarray:
        """Write the gradient of the mean loss of all rows into `grad`; return that loss, `(P,)`."""
        backend = Poisoned(self._problem.dtype)
        x, y = (backend.asarray(values)[None] for values in self._problem.rows())
        shape = (len(self.theta), *x.shape[1:])
        y = np.broadcast_to(y, (len(self.theta), *y.shape[1:]))
        losses: np.ndarray = self.passes.gradient(np.broadcast_to(x, shape), y)
        return losses


def _fits(model: LayerModel, targets: Targets) -> bool:
    try:
        own = model.loss(targets)
    except DataError:
        return False
    return own is not None or targets != "none"


def _ends(problem: Problem) -> tuple[int, int]:
    return (0, 0) if problem.targets == "none" else (problem.inputs, problem.outputs)


def _places(size: int) -> np.ndarray:
    every = np.arange(size)
    return every if size <= COORDINATES else np.sort(np.random.default_rng(0).choice(every, COORDINATES, replace=False))


def _central_differences(problem: Problem, theta: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the slope of the loss at each place, by differences over h and 2 h; every nudged copy is a member.

    Their error is of order h^4: with one difference alone, a layer norm of few units is off by 1e-5.
    """
    steps = 1e-5 * np.maximum(1.0, np.abs(theta[places]))
    nudges = np.zeros((len(places), len(theta)))
    nudges[np.arange(len(places)), places] = steps
    points = np.concatenate([theta + times * nudges for times in (1, -1, 2, -2)])
    above, below, far_above, far_below = np.split(Rig(problem, theta=points).gradient(), 4)
    slopes: np.ndarray = (8 * (above - below) - (far_above - far_below)) / (12 * steps)
    return slopes


def _where(network: LayerNetwork, place: int) -> str:
    for index, parameter, where in network.parameters():
        if where.start <= place < where.stop:
            inside = np.unravel_index(place - where.start, parameter.shape)
            at = ", ".join(str(int(one)) for one in inside)
            return f"{type(network.layers[index]).__name__}.{parameter.name}[{at}] (layer {index})"
    raise IndexError(place)


def _entrants(problem: Problem) -> Sequence[Entrant]:
    """Return members whose models differ where the members of one network may."""
    dice, seeds = random.Random(0), count(100)
    others = [varied(problem.model, dice) for _ in range(6)]
    models = [problem.model, *(other for other in others if replace(problem, model=other).network == problem.network)]
    return [Entrant(number, SGD(lr=0.01), model=model, seed=next(seeds)) for number, model in enumerate(models)]

"""The laws of an optimizer. All of them train it as a study would, so they hold for rules that wrap others too."""

import pickle
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from tunelab.contracts import Optimizer
from tunelab.encoding import decode, encode
from tunelab.experiments import Experiment
from tunelab.models import Quadratic
from tunelab.schedules import Step
from tunelab.testing.contract import require_contract, require_json, searches
from tunelab.testing.entrant import STRANGERS, Entrant, among_strangers, of_its_rule
from tunelab.testing.plateau import Plateau
from tunelab.testing.problem import Problem, clusters, surface
from tunelab.testing.trace import left_in_peace, require_same, train
from tunelab.training import rules
from tunelab.training.member import Member

OWN_ROW = (
    "Contract: axis 0 of theta, grad and slots is the members, and a rule combines numbers of one member only: "
    "reduce over the axes behind the first, and keep nothing outside the slots."
)
PURE = (
    "Contract: update and scalars are pure functions of their arguments; a rule draws no random numbers and keeps "
    "its state in its slots, never on itself or in its module."
)
IN_SLOTS = "Contract: theta and the slots are all that a rule keeps between steps; a checkpoint holds nothing else."
SEES = (
    'Contract: with sees = "elements" (the default) update is given any part of the parameters; a rule that combines '
    'elements of a tensor declares sees = "tensors", and one that combines all of a member\'s, sees = "whole".'
)


class OptimizerConformance:
    """Inherit, and give an `optimizer`: a test class then holds it to its laws.

        import pytest
        from tunelab.testing import OptimizerConformance

        class TestMine(OptimizerConformance):
            @pytest.fixture
            def optimizer(self):
                return Mine(lr=0.1)

    Choose a learning rate at which it lowers a gentle quadratic in 300 steps.
    """

    @pytest.fixture
    def optimizer(self) -> Optimizer:
        """Return the optimizer under test."""
        raise NotImplementedError("define a fixture named `optimizer` that returns the optimizer under test")

    @pytest.fixture(params=["float32", "float64"])
    def dtype(self, request: pytest.FixtureRequest) -> str:
        """Return the dtype of all arrays in training."""
        return str(request.param)

    @pytest.fixture(params=[1, 5])
    def problem(self, request: pytest.FixtureRequest, optimizer: Optimizer, dtype: str) -> Problem:
        """Return a small network to train, with one step an epoch or several."""
        return clusters(dtype, steps=request.param, full_batch=any(rule.full_batch for rule in optimizer.rules()))

    def test_it_keeps_the_contract(self, optimizer: Optimizer) -> None:
        """Every range and default lies within its field's bounds, and every default in its range."""
        require_contract(optimizer, Optimizer)

    def test_it_survives_json(self, optimizer: Optimizer) -> None:
        """An experiment with it, fixed or searched, can be written and read back."""
        for spelt in searches(optimizer):
            require_json(Experiment(name="conformance", model=Quadratic(), optimizer=spelt))

    def test_a_member_trains_alike_alone_and_among_others_of_its_rule(
        self, optimizer: Optimizer, problem: Problem
    ) -> None:
        """The member law, beside fifteen members with other hyperparameters."""
        _require_member_law(problem, of_its_rule(optimizer))

    def test_a_member_trains_alike_alone_and_among_other_rules(self, optimizer: Optimizer, problem: Problem) -> None:
        """The member law, beside members of other rules."""
        _require_member_law(problem, among_strangers(optimizer))

    def test_the_order_of_members_changes_nothing(self, optimizer: Optimizer, problem: Problem) -> None:
        """The order law: members under other numbers train alike."""
        entrants = of_its_rule(optimizer, 5)
        turned = [replace(entrant, number=len(entrants) - entrant.number) for entrant in entrants]
        before, after = train(problem, entrants), train(problem, turned)
        for one, other in zip(entrants, turned, strict=True):
            found = after[other.number]
            require_same(before[one.number], found, one, "trains otherwise in another place", OWN_ROW)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e30])
    def test_a_neighbour_that_diverges_changes_nothing(
        self, optimizer: Optimizer, problem: Problem, value: float
    ) -> None:
        """The isolation law: a member whose parameters are no numbers leaves the others alone."""
        bystanders = of_its_rule(optimizer, 4)
        troubled = Entrant(2, optimizer, seed=7, poisoned=value)
        bystanders = [replace(entrant, number=2 * entrant.number + 1) for entrant in bystanders]
        without, beside = train(problem, bystanders), train(problem, [*bystanders, troubled])
        for entrant in bystanders:
            found = beside[entrant.number]
            saying = f"trains otherwise beside a member that is all {value}"
            require_same(without[entrant.number], found, entrant, saying, OWN_ROW)

    def test_training_twice_gives_the_same_bits(self, optimizer: Optimizer, problem: Problem) -> None:
        """Purity: a training is a function of hyperparameters and seed."""
        entrants = of_its_rule(optimizer, 3)
        first, second = train(problem, entrants), train(problem, entrants)
        for entrant in entrants:
            saying = "trains otherwise a second time"
            require_same(first[entrant.number], second[entrant.number], entrant, saying, PURE)

    def test_saved_and_resumed_equals_uninterrupted(self, optimizer: Optimizer, problem: Problem) -> None:
        """A member that is pickled after every epoch, its optimizer made anew, ends as one that never was."""
        entrants = of_its_rule(optimizer, 3)
        whole, resumed = left_in_peace(problem, entrants), train(problem, entrants, between=_saved_and_read)
        for entrant in entrants:
            last = resumed[entrant.number]
            last.moments = last.moments[-1:] if last.lost is None else []
            saying = "ends otherwise when it is saved and resumed"
            require_same(whole[entrant.number], last, entrant, saying, IN_SLOTS)

    def test_any_part_of_the_parameters_may_be_updated_at_a_time(
        self, optimizer: Optimizer, problem: Problem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A rule that sees elements does to each what it would do to it among any others."""
        entrants = of_its_rule(optimizer, 3)
        whole = train(problem, entrants)
        monkeypatch.setattr(rules, "BLOCK", 7)
        parts = train(problem, entrants)
        for entrant in entrants:
            saying = "trains otherwise where its parameters are updated seven at a time"
            require_same(whole[entrant.number], parts[entrant.number], entrant, saying, SEES)

    def test_it_changes_theta_in_place(self, optimizer: Optimizer, problem: Problem) -> None:
        """Parameters move, stay finite, and keep their dtype."""
        entrant = Entrant(0, optimizer)
        trace = train(problem, [entrant])[0]
        assert trace.lost is None, f"{entrant} diverged: {trace.lost}; give a smaller lr in the fixture"
        assert (trace[0].arrays["theta"] != trace[-1].arrays["theta"]).any(), (
            f"{entrant}: theta did not move in {trace[-1].step} steps. "
            "Contract: update, or a wrapper's around, writes into theta, as in xp.subtract(theta, step, out=theta)"
        )
        _require_finite(entrant, trace[-1].arrays)

    def test_its_slots_are_declared_and_used(self, optimizer: Optimizer, problem: Problem) -> None:
        """Every array that the rule keeps is declared, and every declared one changes."""
        entrant, declared = Entrant(0, optimizer, epochs=12), ", ".join(_declared(optimizer)) or "none"
        try:
            trace = train(problem, [entrant])[0]
        except KeyError as error:
            raise AssertionError(f"{entrant}: update reads slots[{error}], and slots declares {declared}") from error
        copies = {name for level in optimizer.levels() for name in level.copies}  # a copy may stay one
        kept = [f"slot {name!r}" for name in trace[0].slots if name.rpartition(".")[2] not in copies]
        seen = {
            name: {moment.arrays[name].tobytes() for moment in trace.moments if name in moment.arrays} for name in kept
        }
        still = [name for name, values in seen.items() if len(values) == 1]
        assert not still, f"{entrant}: {still[0]} is declared and never changed in {trace[-1].step} steps; drop it"

    def test_a_gradient_of_zero_keeps_everything_finite(self, optimizer: Optimizer, dtype: str) -> None:
        """Nothing is divided by the size of a gradient that is zero."""
        entrant = Entrant(0, optimizer)
        trace = train(surface(Plateau(), dtype, steps=50), [entrant])[0]
        for moment in trace.moments:
            _require_finite(entrant, moment.arrays, f" after step {moment.step} of nothing but zero gradients")

    def test_a_learning_rate_that_moves_is_followed(self, optimizer: Optimizer, problem: Problem) -> None:
        """A schedule's drop changes the steps behind it, and none in front of it."""
        steady = Entrant(0, optimizer, seed=3, epochs=8)
        moved = replace(steady, schedule=Step(gamma=0.1, every=0.5))
        before, after = train(problem, [steady])[0], train(problem, [moved])[0]
        same = [
            one.arrays["theta"].tobytes() == other.arrays["theta"].tobytes()
            for one, other in zip(before.moments, after.moments, strict=True)
        ]
        assert all(same[:5]), f"{moved}: the learning rate falls at half time, and theta differs before that"
        assert not same[-1], (
            f"{moved}: the learning rate falls to a tenth at half time, and theta stays as it was. "
            "Contract: what is `scheduled` arrives in `scalars` as hyper.<name> and in update as k.<name>; use it"
        )

    def test_it_lowers_a_quadratic(self, optimizer: Optimizer, dtype: str) -> None:
        """It minimises."""
        bowl = Quadratic(start=(1.0, -2.0, 0.5), curvature=(0.2, 0.05, 0.4))
        entrant = Entrant(0, optimizer, epochs=3)
        trace = train(surface(bowl, dtype, steps=100), [entrant])[0]
        height, _ = bowl.value_and_gradient(np, np.array([[bowl.start]]))
        assert trace.lost is None, f"{entrant} diverged on a gentle quadratic: {trace.lost}"
        reached = trace[-1].metrics["loss"]
        assert reached < height.item(), (
            f"{entrant}: from {height.item():.6g}, a gentle quadratic was at {reached:.6g} after {trace[-1].step} "
            "steps; is the sign of the step right, and the fixture's lr sensible?"
        )


def _require_member_law(problem: Problem, entrants: list[Entrant]) -> None:
    together = train(problem, entrants)
    for entrant in entrants:
        if entrant.optimizer not in STRANGERS:
            alone = train(problem, [entrant])[entrant.number]
            saying = f"trains otherwise in a population of {len(entrants)} than alone"
            require_same(alone, together[entrant.number], entrant, saying, OWN_ROW)


def _declared(optimizer: Optimizer) -> list[str]:
    return [name for level in (*optimizer.levels(), *optimizer.rules()[1:]) for name in level.slots]


def _saved_and_read(member: Member) -> Member:
    read: Member = pickle.loads(pickle.dumps(member))
    optimizer = decode(encode(read.configuration.optimizer), "optimizer")
    read.configuration = replace(read.configuration, optimizer=optimizer)
    read.optimizer = decode(encode(read.optimizer), "optimizer")
    return read


def _require_finite(who: Entrant, arrays: Mapping[str, np.ndarray], when: str = "") -> None:
    for name, values in arrays.items():
        bad = np.flatnonzero(~np.isfinite(values))
        assert not len(bad), f"{who}: {name}[{bad[0]}] is {values[bad[0]]}{when}; update must keep everything finite"

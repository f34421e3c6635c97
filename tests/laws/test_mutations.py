"""Mutations: a law that cannot fail holds nothing. Each breaks the engine in one place, and the laws must say so."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from laws.checks import isolation_law, member_law, order_law
from laws.runs import drawn, varied
from laws.test_reference import reference_law
from tunelab.models import MLP
from tunelab.models.layers import Dropout
from tunelab.optimizers import Adam, ClipNorm, CoupledDecay
from tunelab.space import Choice, Float
from tunelab.training import batches, network, plan, population, rules, streams


def _members() -> None:
    model = MLP.search(width=6, depth=1, dropout=Float(0.2, 0.5))
    experiment = varied(model=model, optimizer=Choice("sgd", "adam"), clip_norm=Choice(0.1, 0.5), dtype="float64")
    member_law(experiment, drawn(experiment, 4, seed=3), population=4)


def _refills() -> None:
    experiment = varied(optimizer="adam", schedule="cosine", epochs=Choice(2, 4), dtype="float64")
    member_law(experiment, drawn(experiment, 5, seed=3), population=3, arrivals={0: [0, 1], 1: [2, 3, 4]})


def _order() -> None:
    experiment = varied(optimizer=Choice("sgd", "adam"), dtype="float64")
    order_law(experiment, drawn(experiment, 4, seed=4), [2, 3, 0, 1], population=4)


def _bystanders() -> None:
    experiment = varied(optimizer=Choice("sgd", "momentum"), dtype="float64", epochs=3)
    trials = drawn(experiment, 4, seed=5)
    isolation_law(experiment, trials[1:], trials[:1], stops={1: [0]})


def _adam() -> None:
    reference_law("adam, cosine, warm-up")


def _clip() -> None:
    reference_law("sgd, weight decay, clip")


LAWS = (_members, _refills, _order, _bystanders, _adam, _clip)


def norm_across_members(patch: pytest.MonkeyPatch) -> None:
    def norm(xp: Any, values: Any, scratch: Any) -> Any:
        return np.sqrt(np.square(values).sum())

    patch.setattr("tunelab.optimizers.clip_norm.norm", norm)


def decay_before_clipping(patch: pytest.MonkeyPatch) -> None:
    def penalised(optimizer: Any, clip_norm: float, weight_decay: float) -> Any:
        return CoupledDecay(inner=ClipNorm(inner=optimizer, norm=clip_norm), weight_decay=weight_decay)

    patch.setattr("tunelab.optimizers.penalties.penalised", penalised)


def no_bias_correction(patch: pytest.MonkeyPatch) -> None:
    def scalars(self: Any, hyper: Any, step: np.ndarray) -> dict[str, Any]:
        return {
            "beta1": hyper.beta1,
            "beta2": hyper.beta2,
            "rate": hyper.lr * (1 - hyper.beta1) / np.sqrt(1 - hyper.beta2),
            "eps": hyper.eps / np.sqrt(1 - hyper.beta2),
        }

    patch.setattr(Adam, "scalars", scalars)


def larger_epsilon(patch: pytest.MonkeyPatch) -> None:
    scalars = Adam.scalars
    patch.setattr(
        Adam, "scalars", lambda self, hyper, step: {**(k := scalars(self, hyper, step)), "eps": k["eps"] * 1.1}
    )


def schedule_one_step_late(patch: pytest.MonkeyPatch) -> None:
    factors = plan.factors
    patch.setattr(plan, "factors", lambda members, before: factors(members, np.maximum(before - 1, 0)))


def order_of_the_first_member_for_all(patch: pytest.MonkeyPatch) -> None:
    shuffle = batches.RowBatches.shuffle

    def alike(self: Any, members: Any, steps: int) -> None:
        shuffle(self, members, steps)
        self._order[:] = self._order[0]

    patch.setattr(batches.RowBatches, "shuffle", alike)


def order_by_place(patch: pytest.MonkeyPatch) -> None:
    def shuffle(self: Any, members: Any, steps: int) -> None:
        self._order = np.stack([np.random.default_rng(place).permutation(self._rows) for place in range(len(members))])

    patch.setattr(batches.RowBatches, "shuffle", shuffle)


def noise_of_the_first_member_for_all(patch: pytest.MonkeyPatch) -> None:
    forward = Dropout.forward

    def alike(self: Any, xp: Any, x: Any, params: Any, tape: Any) -> Any:
        uniform = tape.uniform

        def of_the_first(name: str, shape: Any) -> Any:
            noise = uniform(name, shape)
            noise[:] = noise[0]
            return noise

        tape.uniform = of_the_first
        try:
            return forward(self, xp, x, params, tape)
        finally:
            del tape.uniform

    patch.setattr(Dropout, "forward", alike)


def one_rate_for_all(patch: pytest.MonkeyPatch) -> None:
    rates = population._rates
    patch.setattr(population, "_rates", lambda *of: [np.broadcast_to(rate[:1], rate.shape) for rate in rates(*of)])


def slots_forgotten_when_places_change(patch: pytest.MonkeyPatch) -> None:
    laid = rules.RuleGroup._laid

    def forgetful(self: Any, name: str, members: Any, backend: Any) -> Any:
        rows = laid(self, name, members, backend)
        rows[...] = 0
        return rows

    patch.setattr(rules.RuleGroup, "_laid", forgetful)


def steps_counted_from_admission_of_the_first(patch: pytest.MonkeyPatch) -> None:
    original = population.plan

    def planned(members: Any, *rest: Any) -> Any:
        kept = [member.step for member in members]
        for member in members:
            member.step = members[0].step
        try:
            return original(members, *rest)
        finally:
            for member, step in zip(members, kept, strict=True):
                member.step = step

    patch.setattr(population, "plan", planned)


def evaluation_blocks_that_shrink_with_the_population(patch: pytest.MonkeyPatch) -> None:
    measure = network.LayerPasses.measure

    def shrinking(self: Any, parts: Any) -> Any:
        rows = max(1, 64 // next(iter(self._params[0].values())).shape[0])
        return measure(
            self, ((x[at : at + rows], y[at : at + rows]) for x, y in parts for at in range(0, len(x), rows))
        )

    patch.setattr(network.LayerPasses, "measure", shrinking)


def weights_from_one_seed(patch: pytest.MonkeyPatch) -> None:
    original = streams.stream
    counter = iter(range(10**9))

    def drifting(seed: int, purpose: Any, epoch: int = 0) -> Any:
        return original(next(counter) if purpose is streams.Purpose.WEIGHTS else seed, purpose, epoch)

    patch.setattr(network, "stream", drifting)


MUTATIONS: list[tuple[Callable[[pytest.MonkeyPatch], None], Callable[[], None]]] = [
    (norm_across_members, _members),
    (norm_across_members, _clip),
    (decay_before_clipping, _clip),
    (no_bias_correction, _adam),
    (larger_epsilon, _adam),
    (schedule_one_step_late, _adam),
    (order_of_the_first_member_for_all, _members),
    (order_by_place, _order),
    (order_by_place, _bystanders),
    (noise_of_the_first_member_for_all, _members),
    (one_rate_for_all, _members),
    (slots_forgotten_when_places_change, _refills),
    (steps_counted_from_admission_of_the_first, _refills),
    (evaluation_blocks_that_shrink_with_the_population, _members),
    (weights_from_one_seed, _order),
]


@pytest.mark.parametrize(("mutation", "law"), MUTATIONS, ids=lambda one: one.__name__.strip("_"))
def test_a_mutation_breaks_its_law(
    mutation: Callable[[pytest.MonkeyPatch], None], law: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation(monkeypatch)
    with pytest.raises(AssertionError):
        law()


@pytest.mark.parametrize("law", LAWS, ids=lambda one: one.__name__.strip("_"))
def test_the_engine_as_it_is_keeps_them(law: Callable[[], None]) -> None:
    law()

"""The trainer: who trains when, with whom, and what becomes of those that fail."""

from typing import Any

import numpy as np
import pytest
from laws import functions
from laws.runs import alone, drawn, follow, job, train, varied

from training.digits_trials import PLAIN, experiment, trial
from tunelab.contracts import Layer, LayerModel, Loss, Parameter
from tunelab.executors.inline import InlineExecutor
from tunelab.experiments import Experiment
from tunelab.models import Function
from tunelab.models.layers import Point
from tunelab.models.losses import surface_for
from tunelab.space import Choice
from tunelab.training.trainer import Trainer
from tunelab.trial import Orders, Progress, State, Trial


def rounds(trainer: Trainer, *orders: Orders) -> list[Progress]:
    return [trainer.round(one) for one in orders]


def test_a_round_is_one_epoch_of_the_oldest_trials_population() -> None:
    trainer = Trainer(job(experiment(), 4))
    first, second, third, fourth = rounds(
        trainer, Orders((trial(3), trial(1, width=8), trial(2))), Orders((trial(0, width=8),)), Orders(), Orders()
    )
    assert first.began == (1,), "trial 1 is the oldest, and no other is of its cohort"
    assert second.began == (0,)
    assert {report.trial for report in second.reports} == {0, 1}
    assert third.ended[0].trial == 1
    assert fourth.ended[0].trial == 0
    assert trainer.round(Orders()).began == (2, 3), "then it is the turn of the others, older first"


def test_no_trial_waits_for_ever_behind_a_cohort_that_never_empties() -> None:
    trainer = Trainer(job(experiment(), 2))
    trainer.round(Orders((trial(0), trial(1, width=8), trial(2))))
    began = [trainer.round(Orders((trial(3 + number),))).began for number in range(6)]
    assert (1,) in began[:4], "trial 1 is next once trials 0 and 2, which came together, have ended"


def test_freed_places_are_given_away_in_the_next_round_to_the_oldest_that_waits() -> None:
    lengths = (1, 3, 2, 1, 3, 1)
    trials = [trial(number, epochs=epochs) for number, epochs in enumerate(lengths)]
    run = train(experiment(), trials, population=3)
    assert [one.began for one in run.progress] == [(0, 1, 2), (3,), (4, 5), (), ()]
    assert [one.members for one in run.progress] == [3, 3, 3, 1, 1]
    assert [one.capacity for one in run.progress] == [3] * 5


def test_a_late_comer_joins_at_once_where_there_is_room() -> None:
    trainer = Trainer(job(experiment(), 3))
    first, second, third = rounds(
        trainer, Orders((trial(0, epochs=9),)), Orders((trial(1),)), Orders((trial(3), trial(2)))
    )
    assert [first.members, second.members, third.members] == [1, 2, 3]
    assert third.began == (2,)


@pytest.mark.parametrize("population", [1, 2, 5])
def test_capacity_is_never_exceeded_and_each_trial_begins_once(population: int) -> None:
    trials = drawn(experiment(), 20, seed=1)
    run = train(experiment(), trials, population=population)
    assert run.largest == population
    assert all(one.members <= one.capacity == population for one in run.progress)
    assert sorted(number for one in run.progress for number in one.began) == list(range(20))


def test_members_counts_those_that_trained_this_round() -> None:
    run = train(experiment(), drawn(experiment(), 12, seed=2), population=4)
    for one in run.progress:
        left = [end for end in one.ended if end.state is State.DIVERGED]
        assert one.members == len(one.reports) + len(left)
        assert one.seconds > 0


def test_what_a_round_is_worth_is_counted_and_not_timed() -> None:
    def worth(*trials: Trial) -> float:
        return Trainer(job(experiment())).round(Orders(trials)).work

    one, two, three = (worth(*(trial(number) for number in range(many))) for many in (1, 2, 3))
    assert 0 < one < two < three
    assert three - two == two - one, "each member adds the same"
    assert one < two < 2 * one, "and shares what a step takes beside arithmetic"
    assert worth(trial(0, batch_size=16)) > worth(trial(0, batch_size=32)), "as many rows, in more steps"
    assert worth(trial(0, width=8)) > worth(trial(0, width=4))
    assert worth() == 0


def test_rounds_without_orders_or_trials_are_empty() -> None:
    trainer = Trainer(job(experiment()))
    assert not trainer.busy
    assert trainer.round(Orders()) == Progress()
    train_one = [trainer.round(Orders((trial(0, epochs=1),))), trainer.round(Orders())]
    assert train_one[0].ended[0].state is State.COMPLETE
    assert train_one[1] == Progress()
    assert not trainer.busy


@pytest.mark.parametrize("numbers", [(7,), (0,), (0, 0, 99, -1)])
def test_stopping_who_is_unknown_or_has_ended_is_ignored(numbers: tuple[int, ...]) -> None:
    trainer = Trainer(job(experiment()))
    trainer.round(Orders((trial(0, epochs=1), trial(1))))
    progress = trainer.round(Orders(stop=numbers))
    assert progress.ended == ()
    assert [report.trial for report in progress.reports] == [1]


def test_who_is_stopped_ends_before_the_round_and_frees_its_place() -> None:
    trainer = Trainer(job(experiment(), 2))
    trainer.round(Orders((trial(0), trial(1), trial(2))))
    progress = trainer.round(Orders(stop=(1,)))
    (ended,) = progress.ended
    assert (ended.trial, ended.state, ended.epoch, ended.step) == (1, State.PRUNED, 1, 6)
    assert ended.reason
    assert progress.began == (2,)


def test_who_is_stopped_while_it_waits_never_trains() -> None:
    trainer = Trainer(job(experiment(), 1))
    trainer.round(Orders((trial(0), trial(1), trial(2))))
    progress = trainer.round(Orders(stop=(1,)))
    assert [(end.trial, end.state) for end in progress.ended] == [(1, State.PRUNED)]
    began = [trainer.round(Orders()).began for _ in range(6)]
    assert [one for one in began if one] == [(2,)]


def test_the_last_member_of_all_may_be_stopped() -> None:
    trainer = Trainer(job(experiment()))
    trainer.round(Orders((trial(0),)))
    progress = trainer.round(Orders(stop=(0,)))
    assert [end.state for end in progress.ended] == [State.PRUNED]
    assert (progress.members, trainer.busy) == (0, False)


def test_hyperparameters_that_cannot_be_fail_their_trial_alone() -> None:
    bad = [trial(0, **{"optimizer.lr": -1.0}), trial(1, optimizer="adam"), Trial(2, 2, {}), trial(3, width=5)]
    run = train(experiment(), [*bad, trial(4)])
    assert [run[number].end[0] for number in range(5)] == ["failed"] * 4 + ["complete"]
    for number, word in ((0, "lr"), (1, "adam"), (2, "missing"), (3, "width")):
        assert word in run[number].end[3]


def walks(f: Any, **fields: Any) -> Experiment:
    model = Function(f=f, gradient=functions.slope, start=(1.0,))
    open_ = {"epochs": Choice(1, 2, 3, 9), "clip_norm": None}
    return varied(
        data=None, model=model, optimizer=Choice("sgd"), steps_per_epoch=2, dtype="float64", **open_, **fields
    )


def walk(number: int, lr: float, epochs: int = 3) -> Trial:
    return Trial(number, number, PLAIN | {"model": "function", "batch_size": 32, "optimizer.lr": lr, "epochs": epochs})


def test_members_of_a_population_that_raises_start_again_apart() -> None:
    trainer = Trainer(job(walks(functions.raises_below_half), 4))
    trials = (walk(0, 0.001), walk(1, 0.2), walk(2, 0.002))
    progress = [trainer.round(Orders(trials))]
    while trainer.busy:
        progress.append(trainer.round(Orders()))
    assert progress[0].members == 3
    assert max(one.members for one in progress[2:]) == 1
    ends = {end.trial: end for one in progress for end in one.ended}
    assert {number: end.state for number, end in ends.items()} == {
        0: State.COMPLETE,
        1: State.FAILED,
        2: State.COMPLETE,
    }
    assert ends[1].reason == "ZeroDivisionError: no value at 0.360"


def test_a_round_says_who_begins_again_and_who_trains_apart() -> None:
    trainer = Trainer(job(walks(functions.raises_below_half), 4))
    progress = [trainer.round(Orders((walk(0, 0.001), walk(1, 0.2), walk(2, 0.002))))]
    progress += [trainer.round(Orders()) for _ in range(2)]
    assert [(each.began, each.again, each.apart) for each in progress] == [
        ((0, 1, 2), (0, 1, 2), (0, 1, 2)),
        ((0,), (), ()),
        ((), (), ()),
    ]


def test_whoever_was_first_is_told_first_whichever_population_is_older() -> None:
    trainer = Trainer(job(experiment()))
    trainer.round(Orders((trial(0, epochs=1), trial(1, width=8), trial(2))))
    trainer.round(Orders())
    assert [end.trial for end in trainer.round(Orders(stop=(2, 1))).ended] == [1, 2]


def test_a_trial_that_starts_again_can_still_be_stopped() -> None:
    trainer = Trainer(job(walks(functions.raises_below_half), 4))
    trials = (walk(0, 0.001, 9), walk(1, 0.2), walk(2, 0.002, 9))
    trainer.round(Orders(trials))
    trainer.round(Orders())  # trial 1 raises; all three wait to start again, trial 0 first
    ended = trainer.round(Orders(stop=(2,))).ended
    assert [(end.trial, end.state) for end in ended] == [(2, State.PRUNED)]


class Unready(LayerModel):
    """A model that raises as soon as it is to lay out its layers or its first weights."""

    where: str

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        if self.where == "layers":
            raise OSError("no layers here")
        return (BrokenPoint(self.where),)

    def loss(self, targets: Any) -> Loss | None:
        return surface_for(Function(f=functions.bowl, start=(1.0,)), targets)


class BrokenPoint(Point):
    """A layer that fails where it is told to."""

    def __init__(self, where: str) -> None:
        super().__init__((1.0,))
        object.__setattr__(self, "where", where)

    def parameters(self) -> tuple[Parameter, ...]:
        if self.where == "memory":
            return (Parameter("theta", (2**50,), 1.0),)
        return (Parameter("theta", (3,), center=(1.0, 2.0)),) if self.where == "shape" else super().parameters()

    def __hash__(self) -> int:
        if self.where == "hash":
            raise TypeError("unhashable type: 'list'")
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BrokenPoint) and self.where == other.where


@pytest.mark.parametrize("where", ["layers", "shape", "memory", "hash"])
def test_a_model_that_cannot_begin_fails_its_trial_and_not_the_worker(where: str) -> None:
    both = varied(data=None, model=Unready.search(where=Choice(where, "nowhere")), optimizer=Choice("sgd"))
    name = "unready"
    params = PLAIN | {"model": name, "batch_size": 32}
    trials = [Trial(0, 0, params | {"model.where": where}), Trial(1, 1, params | {"model.where": "nowhere"})]
    run = train(both, trials)
    assert [run[0].end[0], run[1].end[0]] == ["failed", "complete"]
    assert run[0].end[3]


def test_metrics_of_a_function_have_no_prefix() -> None:
    run = train(walks(functions.bowl), [walk(0, 0.1)])
    assert set(run[0].reports[1].metrics) == {"loss", "lr"}
    # theta shrinks by 0.8 a step, two steps an epoch
    assert run[0].metric("loss") == pytest.approx([0.8 ** (4 * epoch) for epoch in (1, 2, 3)], rel=1e-12)


def test_an_optimizer_that_insists_on_all_rows_gets_them() -> None:
    made = varied(optimizer=Choice("gradient-descent", "sgd"))
    descent = Trial(0, 0, PLAIN | {"model": "mlp", "optimizer": "gradient-descent", "batch_size": "full"})
    run = train(made, [descent, Trial(1, 1, PLAIN)])
    assert run[0].reports[1].step == 1
    assert run[1].reports[1].step == 6


def test_the_inline_executor_trains_what_it_was_told_in_order() -> None:
    made = experiment()
    trials = drawn(made, 5, seed=4)
    with InlineExecutor(job(made, 2)) as executor:
        run = follow(executor, {0: Orders(tuple(trials[:1])), 2: Orders(tuple(trials[1:]))})
    expected = alone(made, trials)
    assert {n: o.curve for n, o in run.outcomes.items()} == {n: o.curve for n, o in expected.items()}


def test_numbers_in_reports_are_plain() -> None:
    run = train(experiment(), [trial(0)])
    assert all(type(value) is float for value in run[0].reports[1].metrics.values())
    assert not any(isinstance(value, np.generic) for value in run[0].reports[1].metrics.values())

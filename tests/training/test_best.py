"""What is kept of the best: the weights of each trial that has ended better than all before it."""

from collections.abc import Mapping
from typing import Any

import pytest
from laws.runs import drawn, job, train

from training.digits_trials import experiment, trial
from tunelab.space import Choice
from tunelab.training.trained import TrainedModel
from tunelab.trial import State, Trial


def best(run: Any, name: str) -> list[float]:
    return [run[n].reports[max(run[n].reports)].metrics[name] for n in sorted(run.outcomes)]


@pytest.mark.parametrize(("fields", "better"), [({"maximize": "val_accuracy"}, max), ({"minimize": "val_loss"}, min)])
def test_weights_come_with_each_trial_that_is_better_than_all_that_ended_before(
    fields: Mapping[str, str], better: Any
) -> None:
    (name,) = fields.values()
    run = train(experiment(**fields), drawn(experiment(), 12, seed=3), population=3)
    so_far: float | None = None
    sent = 0
    for one in run.progress:
        for end in one.ended:
            if end.state is not State.COMPLETE:
                assert end.weights is None
                continue
            value = run[end.trial].reports[end.epoch].metrics[name]
            is_better = so_far is None or (value != so_far and better(value, so_far) == value)
            assert (end.weights is not None) == is_better
            so_far = value if is_better else so_far
            sent += is_better
    assert sent > 1
    assert so_far == better(best(run, name))


@pytest.mark.parametrize("rules", [("sgd", "momentum"), ("momentum", "sgd")])
def test_of_trials_that_end_as_well_in_one_round_the_first_ones_weights_are_kept(rules: tuple[str, str]) -> None:
    made = experiment(maximize="val_accuracy", optimizer=Choice("sgd", "momentum"))
    params = dict(trial(0).params)
    trials = [
        Trial(n, 7, params | {"optimizer": rule, "optimizer.lr": 1e-9, "optimizer.momentum": 0.9})
        for n, rule in enumerate(rules)
    ]
    run = train(made, trials)
    assert run[0].reports[3].metrics["val_accuracy"] == run[1].reports[3].metrics["val_accuracy"]
    assert [run[n].ended.weights is not None for n in (0, 1)] == [True, False]


def test_weights_are_those_of_the_last_report() -> None:
    made = experiment()
    rows = job(made).split
    run = train(made, [trial(0)])
    ended = run[0].ended
    assert ended is not None
    assert ended.weights is not None
    model = made.configure(dict(trial(0).params)).model
    found = TrainedModel.of(model, ended.weights, rows, "float32", 0).evaluate(rows.x_validation, rows.y_validation)
    assert found == {name: run[0].reports[3].metrics[f"val_{name}"] for name in ("loss", "accuracy")}

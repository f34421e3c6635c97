"""Rules that are evaluated at other parameters than they train at: what is reported, and what is saved."""

from typing import ClassVar

import numpy as np
import pytest
from laws.runs import drawn, job, train, varied

from training.rig import member, population
from tunelab.experiments import Experiment
from tunelab.models import MLP, Quadratic
from tunelab.optimizers import SGD, ScheduleFreeAdamW, ScheduleFreeSGD
from tunelab.training.network import LayerNetwork
from tunelab.training.trained import TrainedModel

RULES = {rule.__name__: rule for rule in (ScheduleFreeSGD, ScheduleFreeAdamW)}


def experiment(optimizer: object) -> Experiment:
    return varied(optimizer=optimizer, schedule="constant", model=MLP(width=8), dtype="float64", epochs=3)


@pytest.mark.parametrize("name", RULES)
def test_the_weights_that_are_saved_are_those_that_were_evaluated(name: str) -> None:
    made = experiment(RULES[name].search())
    trial = drawn(made, 1)[0]
    outcome = train(made, [trial])[0]
    assert outcome.ended is not None
    weights, rows = outcome.ended.weights, job(made).split
    assert weights is not None
    trained = TrainedModel.of(MLP(width=8), weights, rows, "float64", trial.seed)
    found = trained.evaluate(rows.x_validation, rows.y_validation)
    assert found["loss"] == outcome.metric("val_loss")[-1]


def test_evaluation_is_at_x_and_training_at_y() -> None:
    """One step of lr 1/4 on |p - 0|^2 / 2 per element, with momentum 1/2: z = x = y first, then they part."""

    class Blind(ScheduleFreeSGD):
        averages: ClassVar[bool] = False

    model = Quadratic(start=(1.0, -2.0))
    net = LayerNetwork(model.layers(0, 0), model.loss("none"))
    thetas, losses = {}, {}
    for rule in (ScheduleFreeSGD, Blind):
        one = member(0, rule(lr=0.1, momentum=0.5), steps=5, net=net)
        group = population([one], *(np.zeros((1, 1)), np.zeros(1)), batch_size=1)
        for _ in range(5):
            report = next(iter(group.epoch()))
        group.release(lambda _: True)
        thetas[rule], losses[rule] = one.theta, report.metrics["train_loss"]
        if rule is ScheduleFreeSGD:
            np.testing.assert_array_equal(one.result, one.slots["x"])
            assert (one.result != one.theta).all()
    np.testing.assert_array_equal(thetas[ScheduleFreeSGD], thetas[Blind])
    assert losses[ScheduleFreeSGD] != losses[Blind]


def test_a_neighbour_that_does_not_average_is_saved_as_it_is_trained() -> None:
    model = Quadratic(start=(1.0, -2.0))
    net = LayerNetwork(model.layers(0, 0), model.loss("none"))
    members = [member(0, ScheduleFreeSGD(lr=0.1), net=net), member(1, SGD(lr=0.1), net=net)]
    group = population(members, np.zeros((1, 1)), np.zeros(1), batch_size=1)
    assert len(list(group.epoch())) == 2
    assert members[0].result is not None
    assert members[1].result is None

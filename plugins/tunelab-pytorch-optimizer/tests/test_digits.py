"""Every optimizer trains digits for an epoch, all of them side by side, a population after the other."""

import math

from rig import NAMES

from tunelab import Choice, Experiment
from tunelab.data.split import split
from tunelab.models import MLP
from tunelab.study.suggest import FixedSuggest
from tunelab.training.trainer import Job, Trainer
from tunelab.trial import Orders, Progress, State, Trial


def test_every_optimizer_trains_digits_for_an_epoch() -> None:
    experiment = Experiment(
        name="digits", data="digits", model=MLP(width=16), optimizer=Choice(*NAMES), epochs=1, backend="torch"
    )
    drawn = [experiment.draw(FixedSuggest({"optimizer": name})) for name in NAMES]
    trials = tuple(Trial(number, 0, params) for number, params in enumerate(drawn))
    trainer = Trainer(Job(experiment, split(experiment.data.load())))
    found: list[Progress] = [trainer.round(Orders(start=trials))]
    while trainer.busy:
        found.append(trainer.round(Orders()))
    ended = {one.trial: one for progress in found for one in progress.ended}
    assert {one.state for one in ended.values()} == {State.COMPLETE}, ended
    losses = {report.trial: report.metrics["val_loss"] for progress in found for report in progress.reports}
    assert sorted(losses) == list(range(len(NAMES)))
    assert all(math.isfinite(loss) for loss in losses.values())
    assert len(set(losses.values())) > len(NAMES) / 2
    assert max(progress.members for progress in found) > 1

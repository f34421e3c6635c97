"""Where ranges stand, and others in their places."""

from tunelab import Choice, Experiment, Float
from tunelab.experiments import Training
from tunelab.models import MLP
from tunelab.optimizers import SGD, Adam, Momentum
from tunelab.schedules import Constant, Linear, Step, Then
from tunelab.space import Range
from tunelab.study.ranges import Where, ranges, replaced
from tunelab.study.suggest import FixedSuggest

from .rig import bowl, wine

DEEP = bowl(
    optimizer=Choice(SGD, Adam.search(beta1=Float(0.1, 0.2), beta2=0.9, eps=1e-8)),
    schedule=Then.search(first=Choice(Linear(), Step.search(every=0.5)), second=Step.search(gamma=0.5), at=0.5),
    warmup=Float(0, 0.9),
)


def test_every_range_is_found_where_it_stands() -> None:
    found = {path: where for path, (_, where) in ranges(DEEP).items()}
    assert list(found) == [
        "optimizer", "optimizer.sgd.lr", "optimizer.adam.lr", "optimizer.adam.beta1", "schedule.first",
        "schedule.first.step.gamma", "schedule.second.every", "warmup",
    ]  # fmt: skip
    assert found["optimizer.adam.lr"] == Where(Adam, "lr", "optimizer.lr", "optimizer.adam.lr", own=True)
    assert found["schedule.first.step.gamma"].name == "schedule.first.gamma"
    assert found["warmup"] == Where(Training, "warmup", "warmup", "warmup")
    assert {path for path, where in found.items() if where.own} == {
        "optimizer.sgd.lr", "optimizer.adam.lr", "schedule.first.step.gamma", "schedule.second.every",
    }  # fmt: skip


def test_their_paths_are_what_a_sampler_is_asked_for() -> None:
    for options in ({"optimizer": "sgd"}, {"optimizer": "adam", "schedule.first": "step"}):
        suggest = FixedSuggest(options)
        DEEP.draw(suggest)
        assert set(suggest.asked) <= set(ranges(DEEP))


def test_nothing_changes_unless_it_is_changed() -> None:
    assert replaced(DEEP, lambda range_, _: range_) is DEEP


def test_a_range_that_is_changed_is_the_plugins_own_no_more() -> None:
    def halved(range_: Range, where: Where) -> Range:
        return Float(0.1, 0.2) if where.field == "lr" else range_

    found = replaced(bowl(optimizer="momentum"), halved)
    assert found == bowl(optimizer=Momentum.search(lr=Float(0.1, 0.2)))


def test_a_search_whose_ranges_are_all_fixed_is_a_plugin() -> None:
    found = replaced(DEEP, lambda range_, where: range_ if isinstance(range_, Choice) else 0.5)
    assert found.optimizer == Choice(SGD(lr=0.5), Adam(lr=0.5, beta1=0.5, beta2=0.9))
    assert found.schedule.fields["second"] == Step(gamma=0.5, every=0.5)


def test_options_that_would_become_alike_stay_apart() -> None:
    both = Choice(Step(), Step.search(), Constant())
    experiment = bowl(schedule=both)
    assert replaced(experiment, _default).schedule == both
    assert replaced(bowl(schedule=Choice("step", "constant")), _default).schedule == Choice(Step(), Constant())


def test_a_choice_of_values_is_a_range_too() -> None:
    experiment = wine(model="mlp")
    assert replaced(experiment, _default).model == MLP()


def _default(range_: Range, where: Where) -> object:
    return where.plugin.model_fields[where.field].default if where.own else range_


def test_all_else_of_the_experiment_stays() -> None:
    experiment = wine(optimizer="sgd", validation=0.3, split_seed=5)
    found = replaced(experiment, _default)
    assert found == Experiment(**dict(experiment) | {"optimizer": SGD()})

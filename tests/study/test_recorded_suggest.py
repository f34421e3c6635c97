"""What was drawn is drawn again from its text."""

import random
from typing import Any

import pytest

from tunelab import Choice, Experiment, Float, Int
from tunelab.models import MLP
from tunelab.optimizers import SAM, Lookahead, Momentum
from tunelab.study.recorded_suggest import RecordedSuggest


class Drawn:
    """Draws at random, with text, numbers, whole numbers, booleans and None among what may come."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def number(self, name: str, within: Float | Int, default: float | None) -> float | int:
        return self._random.choice(within.grid()) if isinstance(within, Int) else within.at(self._random.random())

    def option(self, name: str, labels: tuple[Any, ...], default: Any) -> Any:
        return self._random.choice(labels)


EXPERIMENT = Experiment(
    name="nested",
    data="wine",
    model=MLP.search(width=Int(8, 64, log=True), activation=Choice("relu", "tanh"), layer_norm=Choice(True, False)),
    optimizer=Choice(
        "adam",
        SAM.search(inner=Choice("adam", "momentum")),
        Lookahead.search(inner="momentum"),
        Momentum,
        Momentum(lr=0.1),
    ),
    batch_size=Choice(8, "full"),
    clip_norm=Choice(None, 1.0),
    warmup=Float(0.0, 0.5),
)


@pytest.mark.parametrize("seed", range(40))
def test_the_texts_give_the_same_hyperparameters(seed: int) -> None:
    params = EXPERIMENT.draw(Drawn(seed))
    texts = {name: str(value) for name, value in params.items()}
    again = EXPERIMENT.draw(RecordedSuggest(texts))
    assert again == params
    assert [type(value) for value in again.values()] == [type(value) for value in params.values()]

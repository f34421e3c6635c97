"""An experiment on digits that any of its trials can be named of."""

from typing import Any

from laws.runs import varied

from tunelab.experiments import Experiment
from tunelab.models import MLP
from tunelab.space import Choice, Float
from tunelab.trial import Trial

PLAIN = {"optimizer": "sgd", "optimizer.lr": 0.1, "schedule": "constant", "batch_size": 16, "epochs": 3}
PLAIN |= {"warmup": 0.0, "weight_decay": 0.0, "clip_norm": None}


def experiment(**fields: Any) -> Experiment:
    model = MLP.search(width=Choice(4, 8), depth=1, dropout=Float(0.1, 0.5))
    open_ = {"batch_size": Choice(16, 31), "epochs": Choice(1, 2, 3, 9), "clip_norm": Choice(None, 1.0)}
    return varied(**({"model": model, "optimizer": Choice("sgd")} | open_ | fields))


def trial(number: int, *, width: int = 4, dropout: float = 0.2, **params: Any) -> Trial:
    model = {"model": "mlp", "model.width": width, "model.depth": 1, "model.dropout": dropout}
    return Trial(number, number, PLAIN | model | params)

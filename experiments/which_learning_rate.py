"""Which learning rate suits plain SGD? The whole range at a glance: too small to arrive, good, too large to learn.

Learning rates are drawn at random on a log axis. Every trial has initial weights and batches of its own, so what
differs within one row of the table is luck, and where the rate lies in the row's range.
"""

from itertools import pairwise

import numpy as np
import pandas as pd

from tunelab import Experiment, Float
from tunelab.models import MLP
from tunelab.optimizers import SGD

experiment = Experiment(
    name="which-learning-rate",
    data="digits",
    model=MLP(width=64, depth=1),
    optimizer=SGD.search(lr=Float(1e-4, 10.0, log=True)),
    epochs=10,
    minimize="val_loss",
)

if __name__ == "__main__":
    trials = experiment.run(trials=200, sampler="random").frame()
    ends = np.logspace(-4, 1, 11)
    names = [f"{low:.2g} to {high:.2g}" for low, high in pairwise(ends)]
    rates = pd.cut(trials["optimizer.lr"], ends, labels=names).rename("learning rate")
    table = trials.groupby(rates, observed=True).value.agg(["size", "min", "median", "max"])
    good = table.index[table["median"] <= 1.5 * table["median"].min()]

    print("val_loss after 10 epochs (guessing costs log 10 = 2.303)")
    print(table.round(3))
    print(f"The lowest median, and those within half as much again: {', '.join(good)}.")
    print("More epochs, another batch size or a schedule move this range; it says nothing of other optimizers.")

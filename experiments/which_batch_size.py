"""Which batch size, at the same number of epochs, when each may tune its learning rate with the same effort?

The same epochs are the same rows seen, but not the same steps: a batch of 16 takes 16 times the steps of one of 256.
Trials are drawn at random, and every size's are cut into tunings of TRIES trials each; how far the best of one tuning
lies from the best of the next is luck.
"""

from tunelab import Choice, Experiment
from tunelab.models import MLP
from tunelab.optimizers import Momentum

TRIES = 6

experiment = Experiment(
    name="which-batch-size",
    data="digits",
    model=MLP(width=64, depth=1),
    optimizer=Momentum.search(momentum=0.9),  # the learning rate is searched: one that suits 16 does not suit 256
    batch_size=Choice(16, 32, 64, 128, 256),
    epochs=10,
    minimize="val_loss",
)

if __name__ == "__main__":
    trials = experiment.run(trials=270, sampler="random").frame()
    trials = trials[trials.trial > 0].copy()  # trial 0 is Momentum's own default, which only one size gets
    by_size = trials.groupby("batch_size")
    trials["tuning"] = by_size.cumcount() // TRIES
    tunings = by_size.size().min() // TRIES  # those that every size has in full
    winners = trials.loc[trials[trials.tuning < tunings].groupby(["batch_size", "tuning"]).value.idxmin()]

    print(f"best val_loss of {TRIES} trials, in {tunings} tunings of every batch size, and its learning rate")
    table = {"median": ("value", "median"), "lowest": ("value", "min"), "highest": ("value", "max")}
    print(winners.groupby("batch_size").agg(**table, learning_rate=("optimizer.lr", "median")).round(3))
    print("Sizes whose lowest and highest overlap far are not told apart. Larger batches took fewer steps: given as")
    print("many, they may catch up. What they gain in time a step is not measured here.")

"""Which optimizer, when each may tune its own hyperparameters with the same effort?

Trials are drawn at random, so that none depends on another, and every optimizer's are cut into tunings of TRIES trials
each. The best trial of a tuning is what somebody finds who tries TRIES times; how far the tunings of one optimizer lie
apart is luck. So an optimizer is better than plain SGD as far as its tunings win against SGD's.
"""

from tunelab import Choice, Experiment
from tunelab.models import MLP

TRIES = 6

experiment = Experiment(
    name="which-optimizer",
    data="digits",
    model=MLP(width=64, depth=1),
    optimizer=Choice("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"),
    epochs=10,
    minimize="val_loss",
)

if __name__ == "__main__":
    trials = experiment.run(trials=320, sampler="random").frame()
    by_optimizer = trials.groupby("optimizer")
    trials["tuning"] = by_optimizer.cumcount() // TRIES
    tunings = by_optimizer.size().min() // TRIES  # those that every optimizer has in full
    best = trials[trials.tuning < tunings].groupby(["optimizer", "tuning"]).value.min().unstack()
    against = best.to_numpy()[:, :, None] - best.loc["sgd"].to_numpy()
    wins = (against < 0).mean(axis=(1, 2)) + (against == 0).mean(axis=(1, 2)) / 2
    luck = ((2 * tunings + 1) / (12 * tunings**2)) ** 0.5  # the standard deviation of that share between equals

    print(f"best val_loss of {TRIES} trials, in {tunings} tunings of every optimizer")
    table = best.agg(["median", "min", "max"], axis=1).assign(**{"beats sgd": wins})
    print(table.sort_values("median").round(3))
    print(f"'beats sgd' is the share of pairs of tunings; between equals it would be 0.5, give or take {luck:.2f}.")
    print("It holds for this network, these data, 10 epochs and these search ranges; another budget may turn it round.")

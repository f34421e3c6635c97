"""Which learning-rate schedule, when each may tune its learning rate with the same effort?

Trials are drawn at random, so that none depends on another, and every schedule's are cut into tunings of TRIES trials
each. The best trial of a tuning is what somebody finds who tries TRIES times; how far the tunings of one schedule lie
apart is luck. So a schedule is better than a constant rate as far as its tunings win against the constant one's.
"""

from tunelab import Choice, Experiment
from tunelab.models import MLP
from tunelab.optimizers import Momentum

TRIES = 6

experiment = Experiment(
    name="which-schedule",
    data="digits",
    model=MLP(width=64, depth=1),
    optimizer=Momentum.search(momentum=0.9),  # the learning rate is searched
    schedule=Choice("constant", "step", "exponential", "inverse-time", "linear", "cosine"),
    epochs=10,
    minimize="val_loss",
)

if __name__ == "__main__":
    trials = experiment.run(trials=320, sampler="random").frame()
    by_schedule = trials.groupby("schedule")
    trials["tuning"] = by_schedule.cumcount() // TRIES
    tunings = by_schedule.size().min() // TRIES  # those that every schedule has in full
    best = trials[trials.tuning < tunings].groupby(["schedule", "tuning"]).value.min().unstack()
    against = best.to_numpy()[:, :, None] - best.loc["constant"].to_numpy()
    wins = (against < 0).mean(axis=(1, 2)) + (against == 0).mean(axis=(1, 2)) / 2
    luck = ((2 * tunings + 1) / (12 * tunings**2)) ** 0.5  # the standard deviation of that share between equals

    print(f"best val_loss of {TRIES} trials, in {tunings} tunings of every schedule")
    table = best.agg(["median", "min", "max"], axis=1).assign(**{"beats constant": wins})
    print(table.sort_values("median").round(3))
    print(
        f"'beats constant' is the share of pairs of tunings; between equals it would be 0.5, give or take {luck:.2f}."
    )
    print("Step, exponential and inverse-time spread the same tries over one or two hyperparameters more.")

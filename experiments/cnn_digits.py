"""Do convolutions read handwritten digits better than a perceptron, when each may tune its rate with the same effort?

Trials are drawn at random and every network's are cut into tunings of TRIES trials each; the best trial of a tuning is
what somebody finds who tries TRIES times.
"""

from tunelab import Choice, Experiment
from tunelab.models import CNN, MLP, ResNet

TRIES = 4

experiment = Experiment(
    name="cnn-digits",
    data="digits",
    model=Choice(MLP(width=64), CNN(channels=8), ResNet(channels=8, stages=2)),
    optimizer="adam",
    schedule="cosine",
    epochs=10,
    backend="torch",
    minimize="val_loss",
)

if __name__ == "__main__":
    trials = experiment.run(trials=60, sampler="random").frame()
    by_model = trials.groupby("model")
    trials["tuning"] = by_model.cumcount() // TRIES
    tunings = by_model.size().min() // TRIES  # those that every network has in full
    best = trials[trials.tuning < tunings].groupby(["model", "tuning"])[["value", "val_accuracy"]]
    table = best.agg({"value": "min", "val_accuracy": "max"}).groupby("model").agg(["median", "min", "max"])

    print(f"val_loss and val_accuracy: the best of {TRIES} trials, in {tunings} tunings of every network")
    print(table.round(3))

"""Does a transformer or a recurrent network tell Shakespeare's next character better, at two layers and equal width?

Needs `pip install ./plugins/tunelab-data`. Trials are drawn at random, so both networks tune their learning rate with
the same effort. A uniform guess costs 4.33 nats a character.
"""

from tunelab import Choice, Experiment
from tunelab.models import GRU, Transformer
from tunelab_data import Shakespeare

experiment = Experiment(
    name="shakespeare",
    data=Shakespeare(length=32, rows=2_000),
    model=Choice(Transformer(width=64, depth=2), GRU(width=64, depth=2)),
    optimizer="adam",
    schedule="cosine",
    epochs=6,
    backend="torch",
    minimize="val_loss",
)

if __name__ == "__main__":
    trials = experiment.run(trials=16, sampler="random").frame()
    print("val_loss of each network's trials, in nats a character")
    print(trials.groupby("model").value.agg(["size", "min", "median"]).round(3))

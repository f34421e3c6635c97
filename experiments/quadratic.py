"""How does gradient descent fall into a bowl? The article's own example, with an answer that is known in advance.

The loss is theta squared, its gradient 2 theta; so a step at learning rate 0.01 leaves theta * 0.98, and the loss after
k steps is theta_0^2 * 0.98^(2k).
"""

from tunelab import Experiment
from tunelab.models import Quadratic
from tunelab.optimizers import GradientDescent

experiment = Experiment(
    name="quadratic",
    model=Quadratic(start=(3.0,)),
    optimizer=GradientDescent(lr=0.01),
    epochs=10,
    steps_per_epoch=100,  # so the loss is reported every 100 steps, 1000 in all
    dtype="float64",
    minimize="loss",
)

if __name__ == "__main__":
    study = experiment.run(trials=1)
    curve = study.trials[0].curves["loss"]
    print("steps   loss         theta_0^2 * 0.98^(2k)")
    for epoch, loss in zip(curve.epochs, curve.values, strict=True):
        steps = 100 * epoch
        print(f"{steps:5}   {loss:.5e}  {9 * 0.98 ** (2 * steps):.5e}")

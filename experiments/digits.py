"""Which optimizer, learning rate, schedule and batch size suit a small network on handwritten digits?"""

from tunelab import Choice, Experiment
from tunelab.models import MLP

experiment = Experiment(
    name="digits",
    data="digits",
    model=MLP(width=64, depth=1),
    optimizer=Choice("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"),
    schedule=Choice("constant", "step", "exponential", "cosine"),
    batch_size=Choice(16, 32, 64, 128),
    epochs=20,
    maximize="val_accuracy",
)

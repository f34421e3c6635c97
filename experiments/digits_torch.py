"""The question of digits.py, computed by PyTorch: one seed gives one curve on either backend."""

from tunelab import Choice, Experiment
from tunelab.models import MLP

experiment = Experiment(
    name="digits-torch",
    data="digits",
    model=MLP(width=64, depth=1),
    optimizer=Choice("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"),
    schedule=Choice("constant", "step", "exponential", "cosine"),
    batch_size=Choice(16, 32, 64, 128),
    epochs=20,
    backend="torch",
    maximize="val_accuracy",
)

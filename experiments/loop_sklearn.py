"""Which loss, learning rate and penalty suit scikit-learn's linear classifier, trained row by row with `partial_fit`?

tunelab run experiments/loop_sklearn.py --trials 40 --pruner median
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

from tunelab import Choice, Float, Trial, experiment

x, y = load_digits(return_X_y=True)
x_train, x_val, y_train, y_val = train_test_split(x / 16, y, random_state=0, stratify=y)


@experiment(
    name="loop-sklearn",
    loss=Choice("hinge", "log_loss", "modified_huber"),
    eta0=Float(1e-4, 1.0, log=True),
    alpha=Float(1e-7, 1e-1, log=True),
    maximize="val_accuracy",
)
def loop(trial: Trial):
    """Twenty passes over the digits, each in an order of its own."""
    order = np.random.default_rng(trial.seed)
    model = SGDClassifier(learning_rate="constant", random_state=trial.seed, **trial.params)
    for _ in range(20):
        rows = order.permutation(len(x_train))
        model.partial_fit(x_train[rows], y_train[rows], classes=range(10))
        yield {"train_accuracy": model.score(x_train, y_train), "val_accuracy": model.score(x_val, y_val)}

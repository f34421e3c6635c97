"""Which optimizer, learning rate and width suit a small network, in a training loop written by hand in PyTorch?

tunelab run experiments/loop_pytorch.py --trials 40 --pruner median
"""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.functional import cross_entropy

from tunelab import Choice, Float, Int, Trial, experiment

EPOCHS = 15
x, y = load_digits(return_X_y=True)
parts = train_test_split(torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y), random_state=0, stratify=y)
x_train, x_val, y_train, y_val = parts


class Net(nn.Module):
    """Two hidden layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.layers(x)


@experiment(
    name="loop-pytorch",
    optimizer=Choice("SGD", "Adam", "RMSprop"),
    lr=Float(1e-4, 1.0, log=True),
    width=Int(16, 128, log=True),
    minimize="val_loss",
)
def loop(trial: Trial):
    """Train; the best trial's weights stay in its checkpoint."""
    torch.manual_seed(trial.seed)
    model = Net(trial.params["width"])
    optimizer = getattr(torch.optim, trial.params["optimizer"])(model.parameters(), lr=trial.params["lr"])
    for _ in range(EPOCHS):
        model.train()
        for rows in torch.randperm(len(x_train)).split(32):
            optimizer.zero_grad()
            loss = cross_entropy(model(x_train[rows]), y_train[rows])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(x_val)
        accuracy = (logits.argmax(1) == y_val).float().mean()
        yield {"train_loss": loss.detach(), "val_loss": cross_entropy(logits, y_val), "val_accuracy": accuracy}
    trial.checkpoint.save(model=model.state_dict())


if __name__ == "__main__":
    study = loop.run(trials=40, pruner="median")
    model = Net(study.best.trial.params["width"])
    model.load_state_dict(study.best_checkpoint().load()["model"])
    print(f"the best of {len(study.trials)}: {study.best.trial.params}")
    print(f"val_loss {study.best.value:.4f}; again, from its weights: {cross_entropy(model(x_val), y_val):.4f}")

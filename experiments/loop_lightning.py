"""Which learning rate and width suit a Lightning module? Lightning owns the loop, so its callback reports.

pip install lightning
tunelab run experiments/loop_lightning.py --trials 20 --pruner median
"""

import logging
import warnings

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset, random_split

from tunelab import Float, Int, Trial, experiment, reports_of


class Classifier(LightningModule):
    """A module as Lightning wants it; nothing in it knows of tunelab."""

    def __init__(self, width: int, lr: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
        self.lr = lr

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        """Return the loss."""
        x, y = batch
        loss = cross_entropy(self.layers(x), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
        """Log the loss and the accuracy."""
        x, y = batch
        logits = self.layers(x)
        self.log_dict({"val_loss": cross_entropy(logits, y), "val_accuracy": (logits.argmax(1) == y).float().mean()})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class Report(Callback):
    """Passes on what was logged, after every epoch."""

    def __init__(self, report) -> None:
        self.report = report

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Report; to prune the trial, this raises, and Lightning tears down."""
        self.report(trainer.callback_metrics)


@experiment(name="loop-lightning", lr=Float(1e-4, 1e-1, log=True), width=Int(16, 128, log=True), minimize="val_loss")
def loop(trial: Trial):
    """Fit for ten epochs."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")  # it advises more workers, for data that lie in memory
    seed_everything(trial.seed, verbose=False)
    x, y = load_digits(return_X_y=True)
    rows = TensorDataset(torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y))
    train, val = random_split(rows, (0.8, 0.2), torch.Generator().manual_seed(0))

    def fit(report) -> None:
        trainer = Trainer(
            max_epochs=10,
            accelerator="cpu",
            callbacks=[Report(report)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Classifier(**trial.params), DataLoader(train, 32, shuffle=True), DataLoader(val, 512))

    yield from reports_of(fit)

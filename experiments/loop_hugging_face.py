"""Which learning rate, schedule and depth suit a tiny GPT-2 that learns to spell Python, with Hugging Face's Trainer?

Nothing is downloaded: the model is made from its configuration, with random weights, and it reads a file of Python's
own library. The Trainer owns the loop, so its callback reports.

    pip install transformers accelerate
    tunelab run experiments/loop_hugging_face.py --trials 10 --pruner median
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import accelerate  # noqa: F401 - the Trainer needs it
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from tunelab import Choice, Float, Trial, experiment, reports_of

text = torch.tensor(list(Path(argparse.__file__).read_text().encode("ascii", "ignore")[: 800 * 64]))
rows = [{"input_ids": line, "labels": line} for line in text.view(800, 64)]
train, val = rows[:720], rows[720:]


class Report(TrainerCallback):
    """Passes on each evaluation."""

    def __init__(self, report) -> None:
        self.report = report

    def on_evaluate(self, args, state, control, metrics, **_) -> None:
        """Report; to prune the trial, this raises, and the Trainer ends."""
        self.report({"eval_loss": metrics["eval_loss"]})


@experiment(
    name="loop-hugging-face",
    learning_rate=Float(1e-4, 1e-1, log=True),
    lr_scheduler_type=Choice("linear", "cosine", "constant"),
    n_layer=Choice(1, 2),
    minimize="eval_loss",
)
def loop(trial: Trial):
    """Train for four epochs."""
    set_seed(trial.seed)
    params = dict(trial.params)
    size = {"vocab_size": 128, "n_positions": 64, "n_embd": 32, "n_head": 2, "n_layer": params.pop("n_layer")}
    config = GPT2Config(**size, bos_token_id=None, eos_token_id=None)

    def fit(report) -> None:
        with TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder,
                num_train_epochs=4,
                per_device_train_batch_size=32,
                per_device_eval_batch_size=256,
                eval_strategy="epoch",
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=True,
                seed=trial.seed,
                **params,
            )
            trainer = Trainer(GPT2LMHeadModel(config), arguments, train_dataset=train, eval_dataset=val)
            trainer.remove_callback(PrinterCallback)
            trainer.add_callback(Report(report))
            trainer.train()

    yield from reports_of(fit)

"""The loops that people write by hand, Optuna + PyTorch + MLflow: what tunelab is measured against.

    python -m benchmarks.handwritten --style dataloader            # as tutorials show it
    python -m benchmarks.handwritten --style lean                  # tensors indexed directly, one log_batch a trial
    python -m benchmarks.handwritten --style lean --worker 0/2 --journal study.journal   # and --worker 1/2 beside it

They do the work of `benchmarks.experiments:digits`: the same rows to train and validate on, the same network, epochs,
search space under the same names, sampler and seed, and the metrics of every epoch in MLflow. Two small things they are
spared: training accuracy, which costs tunelab another pass over the training rows each epoch, and the loss of the
trained weights on those rows (theirs is the mean over the epoch's batches, which is free).

One process, one thread. The last line of standard output is one JSON object.
"""

# ruff: noqa: E402 (what the imports cost is part of what is measured)

import argparse
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

STARTED = time.perf_counter()

import mlflow
import optuna
import torch
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import MaxTrialsCallback
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader, TensorDataset

from tunelab.data.partition import partition

IMPORTED = time.perf_counter()

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": lambda parameters, lr: torch.optim.SGD(parameters, lr),
    "momentum": lambda parameters, lr: torch.optim.SGD(parameters, lr, momentum=0.9),
    "nesterov": lambda parameters, lr: torch.optim.SGD(parameters, lr, momentum=0.9, nesterov=True),
    "adagrad": lambda parameters, lr: torch.optim.Adagrad(parameters, lr),
    "rmsprop": lambda parameters, lr: torch.optim.RMSprop(parameters, lr),
    "adam": lambda parameters, lr: torch.optim.Adam(parameters, lr),
}
SCHEDULES: dict[str, Callable[..., Any]] = {
    "constant": lambda optimizer, epochs: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0),
    "step": lambda optimizer, epochs: torch.optim.lr_scheduler.StepLR(optimizer, -(-epochs // 3), gamma=0.3),
    "exponential": lambda optimizer, epochs: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9 ** (20 / epochs)),
    "cosine": lambda optimizer, epochs: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs),
}
"""The shapes of tunelab's schedules, stepped once an epoch as people do; tunelab moves them every step."""

EXPERIMENT = "digits-by-hand"


class Search:
    """What all trials of one process share.

    Args:
        epochs: passes over the training rows.
        parent: the MLflow run above those of the trials.
    """

    def __init__(self, epochs: int, parent: str) -> None:
        self.epochs = epochs
        self.parent = parent
        self.client = MlflowClient()
        self.experiment_id = self.client.get_run(parent).info.experiment_id
        self.train_x, self.train_y, self.val_x, self.val_y = load()
        self.ends: list[float] = []


def load() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return tunelab's own training and validation rows of digits."""
    x, y = load_digits(return_X_y=True)
    train, validation, _ = partition(y, validation=0.2, test=0.0, seed=0)
    features, labels = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    return features[train], labels[train], features[validation], labels[validation]


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    """Return what tunelab would be suggested; a learning rate belongs to its optimizer."""
    optimizer = trial.suggest_categorical("optimizer", list(OPTIMIZERS))
    return {
        "optimizer": optimizer,
        "optimizer.lr": trial.suggest_float(f"optimizer.{optimizer}.lr", 1e-4, 1.0, log=True),
        "schedule": trial.suggest_categorical("schedule", list(SCHEDULES)),
        "batch_size": trial.suggest_categorical("batch_size", [16, 32, 64, 128]),
    }


def build(config: dict[str, Any], epochs: int) -> tuple[nn.Module, torch.optim.Optimizer, Any]:
    """Return network, optimizer and schedule."""
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = OPTIMIZERS[config["optimizer"]](net.parameters(), config["optimizer.lr"])
    return net, optimizer, SCHEDULES[config["schedule"]](optimizer, epochs)


def dataloader_trial(trial: optuna.Trial, search: Search) -> float:
    """Train one trial as tutorials show it: DataLoader, fluent MLflow, metrics logged each epoch."""
    config = suggest(trial)
    torch.manual_seed(trial.number)
    with mlflow.start_run(run_name=f"trial-{trial.number}", nested=True):
        mlflow.log_params(config)
        train = DataLoader(TensorDataset(search.train_x, search.train_y), config["batch_size"], shuffle=True)
        validation = DataLoader(TensorDataset(search.val_x, search.val_y), batch_size=256)
        net, optimizer, schedule = build(config, search.epochs)
        for epoch in range(search.epochs):
            net.train()
            train_loss = 0.0
            for x, y in train:
                optimizer.zero_grad()
                loss = F.cross_entropy(net(x), y)
                loss.backward()
                optimizer.step()
                train_loss += loss.item() * len(x)
            schedule.step()
            net.eval()
            val_loss, right = 0.0, 0
            with torch.no_grad():
                for x, y in validation:
                    out = net(x)
                    val_loss += F.cross_entropy(out, y).item() * len(x)
                    right += int((out.argmax(1) == y).sum())
            accuracy = right / len(search.val_y)
            metrics = {"train_loss": train_loss / len(search.train_y), "val_loss": val_loss / len(search.val_y)}
            mlflow.log_metrics(metrics | {"val_accuracy": accuracy}, step=epoch)
            trial.report(accuracy, epoch)
    search.ends.append(time.perf_counter())
    return accuracy


def lean_trial(trial: optuna.Trial, search: Search) -> float:
    """Train one trial as somebody does who has measured: no DataLoader, one request to MLflow for all curves."""
    config = suggest(trial)
    torch.manual_seed(trial.number)
    run = search.client.create_run(
        search.experiment_id, run_name=f"trial-{trial.number}", tags={"mlflow.parentRunId": search.parent}
    )
    net, optimizer, schedule = build(config, search.epochs)
    metrics = []
    for epoch, values in enumerate(lean_epochs(net, optimizer, schedule, config["batch_size"], search)):
        now = int(time.time() * 1000)
        metrics += [Metric(name, value, now, epoch) for name, value in values.items()]
        trial.report(values["val_accuracy"], epoch)
    params = [Param(name, str(value)) for name, value in config.items()]
    search.client.log_batch(run.info.run_id, metrics=metrics, params=params)
    search.client.set_terminated(run.info.run_id)
    search.ends.append(time.perf_counter())
    return values["val_accuracy"]


def lean_epochs(
    net: nn.Module, optimizer: torch.optim.Optimizer, schedule: Any, batch_size: int, search: Search
) -> Iterator[dict[str, float]]:
    """Train epoch by epoch, and yield the metrics of each."""
    x, y, rows = search.train_x, search.train_y, len(search.train_y)
    for _ in range(search.epochs):
        net.train()
        total = torch.zeros(())
        order = torch.randperm(rows)
        for start in range(0, rows, batch_size):
            index = order[start : start + batch_size]
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x[index]), y[index])
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(index)
        schedule.step()
        net.eval()
        with torch.no_grad():
            out = net(search.val_x)
            val_loss = F.cross_entropy(out, search.val_y).item()
            accuracy = (out.argmax(1) == search.val_y).double().mean().item()
        yield {"train_loss": total.item() / rows, "val_loss": val_loss, "val_accuracy": accuracy}


TRIALS = {"dataloader": dataloader_trial, "lean": lean_trial}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--style", choices=TRIALS, default="lean")
    parser.add_argument("--trials", type=int, default=200, help="of all workers together")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tracking-uri", default="sqlite:///mlflow.db")
    parser.add_argument("--journal", help="Optuna's journal file; without it the study is in memory")
    parser.add_argument("--worker", default="0/1", help="which of how many processes on one journal file this is")
    args = parser.parse_args()
    worker, workers = map(int, args.worker.split("/"))
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    mlflow.set_tracking_uri(args.tracking_uri)
    storage = JournalStorage(JournalFileBackend(args.journal)) if args.journal else None
    searching = time.perf_counter()
    if worker == 0:
        study = optuna.create_study(
            storage=storage,
            study_name="digits",
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=args.seed),
        )
        mlflow.set_experiment(EXPERIMENT)
        with mlflow.start_run(run_name="study") as parent:
            study.set_user_attr("parent", parent.info.run_id)
            search = optimize(study, args, workers)
    else:
        study = joined(storage, seed=args.seed + 1000 * worker)
        search = optimize(study, args, workers)
    ended = time.perf_counter()
    print(
        json.dumps(
            {
                "trials": len(search.ends),
                "best_value": study.best_value,
                "import_s": IMPORTED - STARTED,
                "loop_s": ended - searching,
                "first_trial_s": search.ends[0] - STARTED if search.ends else None,
            }
        )
    )


def joined(storage: JournalStorage | None, seed: int) -> optuna.Study:
    """Return the study that the first worker makes, once its MLflow run is there too."""
    while True:
        try:
            study = optuna.load_study(
                storage=storage, study_name="digits", sampler=optuna.samplers.TPESampler(seed=seed)
            )
            if "parent" in study.user_attrs:
                return study
        except KeyError:
            pass
        time.sleep(0.02)


def optimize(study: optuna.Study, args: argparse.Namespace, workers: int) -> Search:
    """Run trials: so many, or until all workers together have."""
    search = Search(args.epochs, study.user_attrs["parent"])
    enough = [MaxTrialsCallback(args.trials, states=None)] if workers > 1 else None  # those that run count too
    study.optimize(partial(TRIALS[args.style], search=search), n_trials=args.trials, callbacks=enough)
    return search


if __name__ == "__main__":
    main()

"""Load and part an experiment's data, and find what cannot work before anything trains."""

from collections.abc import Iterator
from contextlib import suppress
from math import prod

from tunelab.backends import require
from tunelab.contracts import Dataset, Optimizer, Table
from tunelab.data.fingerprint import fingerprint
from tunelab.data.items import Items, Parts
from tunelab.data.split import Scale, Split, split
from tunelab.data.torch_data import TorchData
from tunelab.drawing import classes
from tunelab.errors import DataError, ExperimentError, TunelabError, suggestion
from tunelab.experiments import Configuration, Experiment
from tunelab.plugins import name_of
from tunelab.space import Choice, Int
from tunelab.study.suggest import FixedSuggest, first_options
from tunelab.training.networks import metrics_of, places_of
from tunelab.trial import DataRecord


def prepare(experiment: Experiment) -> tuple[Parts, DataRecord | None]:
    """Return the rows to train on, or what reads them, and what is said of them.

    Raises:
        DataError: data that is missing, broken, does not fit the loss, or has fewer rows than a batch.
        ExperimentError: a model that does not go with the data, an optimizer that the backend cannot train with, or an
            objective that is not measured.
    """
    require(experiment.backend)
    _check_backend(experiment)
    if experiment.data is None:
        parts: Parts = Split.none()
        record = None
    else:
        parts, source, told = _parted(experiment, experiment.data)
        record = DataRecord(
            name=name_of(type(experiment.data)),
            source=source,
            fingerprint=told,
            rows=parts.rows,
            features=prod(parts.inputs.shape),
            targets=parts.targets,
            outputs=parts.outputs,
        )
    for configuration in _first_configurations(experiment):
        _check_objective(experiment, _metrics(experiment, configuration, parts), parts)
    if record is not None:
        _check_batches(experiment, parts)
    return parts, record


def _parted(experiment: Experiment, data: Dataset) -> tuple[Parts, str, str]:
    """Return the parts, where they came from, and their fingerprint."""
    validation, test, seed = experiment.validation, experiment.test, experiment.split_seed
    if isinstance(data, TorchData):
        scale: Scale = data.scale if experiment.scale == "auto" else experiment.scale
        as_given = not isinstance(experiment.loss, str)
        parts = data.parted(validation=validation, test=test, seed=seed, scale=scale, as_given=as_given)
        return parts, data.source, data.fingerprint
    table = data.load()
    rows = split(table, validation=validation, test=test, seed=seed, scale=_scale(experiment, table))
    return rows, table.source, fingerprint(table)


def _scale(experiment: Experiment, table: Table) -> Scale:
    """Return how features are scaled: as the experiment says, or in the data set's own way; symbols never are."""
    if experiment.scale != "auto":
        return experiment.scale
    own: Scale = "none" if table.symbols else experiment.data.scale
    return own


def places_for(experiment: Experiment, parts: Parts) -> int | None:
    """Return how many trials can train together, in the smallest of the alternatives' default networks.

    None where one of them is a module, which only a worker lays out.
    """
    found = 1
    for configuration in _first_configurations(experiment):
        with suppress(Exception):  # a network that cannot be laid out fails its own trials, each with its reason
            places = places_of(experiment, configuration, parts)
            if places is None:
                return None
            found = max(found, places)
    return found


def _check_backend(experiment: Experiment) -> None:
    computes = "numpy" if experiment.backend == "numpy" else "torch"
    for each in classes(experiment.optimizer):
        if issubclass(each, Optimizer) and computes not in each.backends:
            raise ExperimentError(
                f"the optimizer {name_of(each)} trains with backend={' or '.join(map(repr, each.backends))}, and the "
                f"experiment has backend={computes!r}; change one of the two"
            )


def _first_configurations(experiment: Experiment) -> Iterator[Configuration]:
    """Yield a configuration of every alternative of model, optimizer and schedule."""
    for options in first_options(experiment):
        yield experiment.configure(experiment.draw(FixedSuggest(options)))


def _metrics(experiment: Experiment, configuration: Configuration, parts: Parts) -> tuple[str, ...]:
    model = configuration.model
    is_function = model.loss("none") is not None
    if is_function and experiment.data is not None:
        raise ExperimentError(
            f"the model {name_of(type(model))} is a function and is minimised without data, but data="
            f"{name_of(type(experiment.data))} is given; leave data out, or choose a model such as mlp"
        )
    if not is_function and experiment.data is None:
        raise ExperimentError(
            f"the model {name_of(type(model))} needs data; give data='digits', arrays (x, y), or the path of a file"
        )
    try:
        return metrics_of(experiment, configuration, parts)
    except TunelabError:
        raise
    except Exception as error:
        raise ExperimentError(
            f"the model {name_of(type(model))} cannot be built: {type(error).__name__}: {error}"
        ) from error


def _check_objective(experiment: Experiment, metrics: tuple[str, ...], parts: Parts) -> None:
    if isinstance(parts, Items):
        known = ["train_loss", *(f"val_{metric}" for metric in metrics), "lr"]
    else:
        prefixes = ("",) if experiment.data is None else ("train_", "val_")
        known = [prefix + metric for prefix in prefixes for metric in metrics] + ["lr"]
    if experiment.objective not in known:
        side = "maximize" if experiment.maximize else "minimize"
        raise ExperimentError(
            f"{side}={experiment.objective!r} is not measured; {suggestion(experiment.objective, known)}"
        )


def _check_batches(experiment: Experiment, parts: Parts) -> None:
    node = experiment.batch_size
    sizes = node.options if isinstance(node, Choice) else (node.high,) if isinstance(node, Int) else (node,)
    largest = max((size for size in sizes if not isinstance(size, str)), default=1)
    rows = parts.rows.get("train")
    if isinstance(parts, Items) and not experiment.steps_per_epoch and parts.train.steps(1) is None:
        raise DataError(
            f"steps_per_epoch is needed: {parts.train.name}, does not say how many items or batches there are (__len__)"
        )
    if rows is not None and largest > rows and not _always_full(experiment):
        raise DataError(
            f"a batch of {largest} rows is larger than the training part of {rows}; "
            "lower batch_size, or say batch_size='full'"
        )


def _always_full(experiment: Experiment) -> bool:
    return all(
        any(rule.full_batch for rule in configuration.optimizer.rules())
        for configuration in _first_configurations(experiment)
    )

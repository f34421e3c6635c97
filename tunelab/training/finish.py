"""The end of a study, as its worker sees it: the best trial on the test part, and its module as a program."""

from collections.abc import Iterable

import numpy as np

from tunelab.contracts import Array, Backend, Network
from tunelab.data.items import Parts
from tunelab.errors import in_words
from tunelab.experiments import Experiment
from tunelab.training.feed import Feed, Rows
from tunelab.training.networks import network_of, passes_of_one
from tunelab.training.trained import TrainedModel
from tunelab.trial import Finish, Finished


def finish(order: Finish, experiment: Experiment, parts: Parts, feed: Feed, backend: Backend) -> Finished:
    """Measure the best trial on the test part, and make its module a program if that is asked for.

    Args:
        order: the best trial, and what was kept of it.
        experiment: what was trained.
        parts: the rows, or what reads them.
        feed: gives them.
        backend: what computes.
    """
    configuration = experiment.configure(dict(order.trial.params))
    notes: tuple[str, ...] = ()
    try:
        network = network_of(experiment, configuration, parts)
        metrics = tested(order, network, backend, feed.tested()) if parts.has_test else {}
    except Exception as error:
        metrics, notes = {}, (f"the best trial, {order.trial.number}, could not be tested: {in_words(error)}",)
    if not order.export:
        return Finished(metrics, notes=notes)
    trained = TrainedModel.of(configuration.model, order.weights, parts, experiment.dtype, order.trial.seed)
    try:
        x, _ = feed.sample(feed.size(configuration.batch_size))
        programs, said = program(trained, x)
    except Exception as error:
        programs, said = {}, (f"the best module is kept as weights alone: {in_words(error)}",)
    return Finished(metrics, programs, (*notes, *said))


def tested(order: Finish, network: Network, backend: Backend, rows: Iterable[Rows]) -> dict[str, float]:
    """Return the metrics of the best trial on the test part.

    Args:
        order: the best trial, and what was kept of it.
        network: what it trained, with its loss and metrics.
        backend: what computes.
        rows: the test part, some rows at a time.
    """
    passes = passes_of_one(network, backend, network.state(order.weights, order.trial.seed))
    return {f"test_{name}": float(values[0]) for name, values in passes.measure(rows).items()}


def program(trained: TrainedModel, x: Array) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the program of a module by the name of its file, and what is to be said of it.

    Args:
        trained: the module.
        x: a batch that it was trained on, as it came from the feed; scaled rows are as good to try as raw ones.
    """
    import torch

    from tunelab.backends.pytorch.program import program_of

    rows = np.take(x.cpu().numpy(), range(2), axis=0, mode="wrap").astype(trained.x_type)
    shaped = rows.reshape(-1, *trained.inputs.shape) if trained.scaling else rows
    return program_of(trained.raw(), torch.from_numpy(shaped), ragged=trained.ragged)

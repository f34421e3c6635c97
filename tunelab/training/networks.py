"""From a configuration to the network that it trains."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from tunelab.contracts import (
    Backend,
    Inputs,
    LayerModel,
    Loss,
    ModuleModel,
    Network,
    Outputs,
    Passes,
    Seats,
    Start,
    Targets,
    Torch,
)
from tunelab.data.items import Items, Parts
from tunelab.data.split import Split
from tunelab.errors import DataError, ExperimentError
from tunelab.experiments import Configuration, Experiment
from tunelab.models.losses import loss_for
from tunelab.plugins import name_of
from tunelab.training.network import LayerNetwork, places

if TYPE_CHECKING:
    from tunelab.backends.pytorch.network import ModuleNetwork


def network_of(experiment: Experiment, configuration: Configuration, split: Parts) -> Network:
    """Return the network that a configuration trains on these rows.

    Raises:
        DataError: targets that do not fit the loss, or the model.
        ExperimentError: a module, and a backend that is not PyTorch.
    """
    model = configuration.model
    if isinstance(model, ModuleModel):
        _require_torch(experiment, model)
        outputs = Outputs(split.outputs, split.places)
        told = Told(split.inputs, outputs, split.targets, isinstance(split, Split), split.at_least)
        return module_network(model, told, experiment.dtype, experiment.loss, experiment.metrics)
    assert isinstance(model, LayerModel)
    if isinstance(split, Items):
        raise DataError(
            f"the model {name_of(type(model))} trains on rows in memory, and {split.train.name}, is read item by item; "
            "read it into memory, data=TorchData(..., cache=True), or use a TorchModel"
        )
    if split.x_train.dtype.kind != "f" and split.targets != "none":
        raise DataError(
            f"the model {name_of(type(model))} needs rows of real numbers, and these are {split.x_train.dtype}; "
            "give x.float(), or scale='standard'"
        )
    if split.places:
        raise DataError(
            f"the model {name_of(type(model))} tells one class a row, and this data has one for each of {split.places} "
            "places; choose a model such as transformer or gru, or data with one class a row"
        )
    _refuse_own(experiment, model)
    loss = model.loss(split.targets) or _named_loss(experiment.loss, split.targets)
    return LayerNetwork(model.layers(split.x_train.shape[1], split.outputs), loss)


def metrics_of(experiment: Experiment, configuration: Configuration, split: Parts) -> tuple[str, ...]:
    """Return what evaluation measures, without making a module: torch is not imported.

    Raises:
        DataError: also a model that is not for these rows.
        ExperimentError: as `network_of`.
    """
    model = configuration.model
    if not isinstance(model, ModuleModel):
        return network_of(experiment, configuration, split).metrics
    _require_torch(experiment, model)
    outputs = Outputs(split.outputs, split.places)
    _require_known(model, outputs)
    model.fits(split.inputs, outputs)
    classifies = split.targets == "classes" and not model.reconstructs
    return ("loss", *(("accuracy",) if classifies else ()), *experiment.metrics)


def places_of(experiment: Experiment, configuration: Configuration, split: Parts) -> int | None:
    """Return how many trials can train together; None for a module, which only a worker finds out."""
    if isinstance(configuration.model, ModuleModel):
        return None
    network = network_of(experiment, configuration, split)
    return places(network.size, np.dtype(experiment.dtype).itemsize)


@dataclass(frozen=True)
class Told:
    """What a module is told of its data.

    Attributes:
        inputs, outputs, targets: what a row is, and what is to be told of it.
        flat: rows come flat, and take their shape on the way to the module.
        at_least: there may be more classes than `outputs` counts.
    """

    inputs: Inputs
    outputs: Outputs
    targets: Targets
    flat: bool
    at_least: bool


def module_network(
    model: ModuleModel,
    told: Told,
    dtype: str,
    loss: str | Callable[..., Any] = "auto",
    metrics: Mapping[str, Callable[..., Any]] = MappingProxyType({}),
) -> "ModuleNetwork":
    """Return the network of a PyTorch module; torch is imported here.

    Args:
        model: what makes the module.
        told: what it is told of its data.
        dtype: of parameters and floating buffers.
        loss: a name or a person's own, unless the model brings one.
        metrics: what else is measured.
    """
    import torch

    from tunelab.backends.pytorch.losses import CRITERIA
    from tunelab.backends.pytorch.network import ModuleNetwork, Task

    own = model.criterion() or (None if isinstance(loss, str) else loss)
    named = None if own else _named_loss(loss, told.targets)
    criterion: Any = CRITERIA[named] if named else own
    task = Task(
        inputs=told.inputs,
        outputs=told.outputs,
        targets=told.targets,
        loss=named,
        criterion=criterion,
        metrics=metrics,
        reconstructs=model.reconstructs,
        flat=told.flat,
        at_least=told.at_least,
    )
    return ModuleNetwork(lambda: model.module(told.inputs, told.outputs), task, getattr(torch, dtype))


def passes_of_one(network: Network, backend: Backend, state: Start) -> Passes:
    """Return the passes of one member, for evaluation."""
    theta = backend.asarray(state.theta[None])
    buffers = {name: backend.asarray(values[None]) for name, values in state.buffers.items()}
    rates = [backend.zeros((1, 1, 1)) for _ in network.rates()]
    noise = [np.random.default_rng(0)]
    return network.passes(backend, Seats(theta, backend.empty(theta.shape), buffers, rates, lambda: noise))


def _named_loss(given: Any, targets: Targets) -> Loss:
    return loss_for(given if isinstance(given, str) else "auto", targets)  # type: ignore[arg-type]


def _require_known(model: ModuleModel, outputs: Outputs) -> None:
    if not outputs.count and model.asks_outputs():
        raise DataError(
            f"the model {name_of(type(model))} must know how many classes or values there are to tell, and this data "
            "does not say; write the number into a function of your own, TorchModel(net), or give a Dataset that "
            "lists the class of each item as `targets`"
        )


def _refuse_own(experiment: Experiment, model: LayerModel) -> None:
    for field in ("loss", "metrics"):
        given = getattr(experiment, field)
        if given and not isinstance(given, str):
            raise ExperimentError(
                f"{field}={given!r}: functions of your own measure PyTorch modules, and {name_of(type(model))} is made "
                f"of tunelab's layers; leave {field} out, or use a TorchModel"
            )


def _require_torch(experiment: Experiment, model: ModuleModel) -> None:
    if experiment.backend != "torch" and not isinstance(experiment.backend, Torch):
        raise ExperimentError(
            f"the model {name_of(type(model))} is a PyTorch module, and backend={experiment.backend!r}; "
            "say backend='torch', or choose a model such as mlp"
        )

"""From a configuration to the network that it trains."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tunelab.contracts import LayerModel, Loss, ModuleModel, Network, Outputs, Torch
from tunelab.data.items import Items, Parts
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
        return _module_network(experiment, model, split)
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
    loss = model.loss(split.targets) or _named_loss(experiment, split)
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


def _module_network(experiment: Experiment, model: ModuleModel, split: Parts) -> "ModuleNetwork":
    _require_torch(experiment, model)
    import torch

    from tunelab.backends.pytorch.losses import CRITERIA
    from tunelab.backends.pytorch.network import ModuleNetwork, Task

    outputs = Outputs(split.outputs, split.places)
    own = model.criterion() or (None if isinstance(experiment.loss, str) else experiment.loss)
    loss = None if own else _named_loss(experiment, split)
    criterion: Any = CRITERIA[loss] if loss else own
    task = Task(
        inputs=split.inputs,
        outputs=outputs,
        targets=split.targets,
        loss=loss,
        criterion=criterion,
        metrics=experiment.metrics,
        reconstructs=model.reconstructs,
        flat=not isinstance(split, Items),
    )
    build = lambda: model.module(split.inputs, outputs)  # noqa: E731
    return ModuleNetwork(build, task, getattr(torch, experiment.dtype))


def _named_loss(experiment: Experiment, split: Parts) -> Loss:
    return loss_for(experiment.loss if isinstance(experiment.loss, str) else "auto", split.targets)


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

"""A trained model: a network with its weights and the scaling of its data, saved as `.npz` without pickle."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.contracts import LayerModel, Passes, Seats, Targets
from tunelab.data.split import Split
from tunelab.encoding import decode, encode
from tunelab.errors import DataError
from tunelab.models.losses import loss_for
from tunelab.training.network import LayerNetwork

SCALING = ("shift", "spread", "target_shift", "target_spread")


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model that predicts.

    Attributes:
        model: the plugin that lays out the layers.
        weights: its tensors by name.
        features: numbers in a row.
        outputs: classes, or values a row.
        targets: which of the two.
        classes: labels of the classes.
        scaling: `shift` and `spread` of the features, `target_shift` and `target_spread` of the values.
        dtype: in which it was trained.

    >>> from tunelab import Experiment
    >>> from tunelab.models import SoftmaxRegression
    >>> from tunelab.tracking import MemoryTracker
    >>> experiment = Experiment(name="wine", data="wine", model=SoftmaxRegression(), optimizer="adam", epochs=5)
    >>> study = experiment.run(trials=4, executor="inline", tracker=MemoryTracker(), folder=getfixture("tmp_path"))
    >>> model = study.best_model()
    >>> model.predict(experiment.data.load().x[:5]).shape
    (5,)
    """

    model: LayerModel
    weights: Mapping[str, np.ndarray]
    features: int
    outputs: int
    targets: Targets
    classes: tuple[str, ...]
    scaling: Mapping[str, np.ndarray]
    dtype: str

    @classmethod
    def of(cls, model: LayerModel, weights: Mapping[str, np.ndarray], split: Split, dtype: str) -> "TrainedModel":
        """Return the trained model of a trial's weights and the rows that it was trained on."""
        scaling = {name: getattr(split, name) for name in SCALING}
        features = split.x_train.shape[1]
        return cls(model, weights, features, split.outputs, split.targets, split.classes, scaling, dtype)

    def save(self, path: Path) -> None:
        """Write the model to an `.npz` file, whole or not at all."""
        about = {
            "model": encode(self.model),
            "features": self.features,
            "outputs": self.outputs,
            "targets": self.targets,
            "classes": self.classes,
            "dtype": self.dtype,
        }
        arrays: dict[str, Any] = {f"weights/{name}": value for name, value in self.weights.items()}
        arrays |= {f"scaling/{name}": value for name, value in self.scaling.items()}
        unfinished = path.with_name(f".{path.name}")
        with unfinished.open("wb") as file:
            np.savez(file, about=np.array(json.dumps(about)), **arrays)
        unfinished.replace(path)

    @classmethod
    def load(cls, path: Path | str) -> "TrainedModel":
        """Read a model that `save` wrote; nothing in the file is executed.

        A model class that no entry point announces is imported by the name that the file gives.

        Raises:
            DataError: a file that is missing, damaged or no such model.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            found = cls(
                **_described(json.loads(str(arrays.pop("about")))),
                weights=_below("weights/", arrays),
                scaling=_below("scaling/", arrays),
            )
            found._check_shapes()
        except Exception as error:  # whatever a damaged file makes of itself
            raise DataError(f"{path} is no trained model of tunelab: {type(error).__name__}: {error}") from None
        return found

    def _check_shapes(self) -> None:
        for index, parameter, _ in self._network().parameters():
            name = f"{index}.{parameter.name}"
            if self.weights[name].shape != parameter.shape:
                raise DataError(f"{name} must have the shape {parameter.shape}, was {self.weights[name].shape}")
        for name in SCALING:
            width = self.outputs if name.startswith("target") else self.features
            if self.scaling[name].shape != (width,):
                raise DataError(f"{name} must have the shape {(width,)}, was {self.scaling[name].shape}")

    def outputs_of(self, x: np.ndarray) -> np.ndarray:
        """Return the network's outputs `(rows, outputs)` for unscaled rows: logits, or scaled values."""
        rows = np.asarray(x, np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.features:
            raise DataError(f"expected rows of {self.features} features, was an array of shape {rows.shape}")
        scaled = (rows - self.scaling["shift"]) / self.scaling["spread"]
        passes, backend = self._passes()
        outputs: np.ndarray = backend.to_numpy(passes.outputs(backend.asarray(scaled)))[0]
        return outputs

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the class labels `(rows,)`, or the values `(rows, outputs)` in the data's own units."""
        outputs = self.outputs_of(x)
        if self.targets == "classes":
            labels: np.ndarray = np.array(self.classes)[outputs.argmax(axis=1)]
            return labels
        values: np.ndarray = outputs * self.scaling["target_spread"] + self.scaling["target_shift"]
        return values

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
        """Return the loss's metrics on rows of a `Split`, which are scaled already."""
        passes, backend = self._passes()
        found = passes.evaluate(backend.asarray(x), backend.asarray(y))
        return {name: float(values[0]) for name, values in found.items()}

    def _network(self) -> LayerNetwork:
        loss = self.model.loss(self.targets) or loss_for("auto", self.targets)
        return LayerNetwork(self.model.layers(self.features, self.outputs), loss)

    def _passes(self) -> tuple[Passes, NumpyBackend]:
        backend, network = NumpyBackend(self.dtype), self._network()
        theta = np.concatenate([self.weights[f"{i}.{p.name}"].ravel() for i, p, _ in network.parameters()])
        flat = backend.asarray(theta[None])
        rates = [backend.zeros((1, 1, 1)) for _ in network.layers]
        return network.passes(backend, Seats(flat, backend.empty(flat.shape), {}, rates, tuple)), backend


def _described(about: dict[str, Any]) -> dict[str, Any]:
    return about | {"model": decode(about["model"], "model"), "classes": tuple(about["classes"])}


def _below(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}

"""A trained model: a network with its weights and the scaling of its data, in one file that executes nothing."""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.contracts import (
    Backend,
    Inputs,
    LayerModel,
    Model,
    ModuleModel,
    Outputs,
    Passes,
    Targets,
    Torch,
    vouched_only,
)
from tunelab.contracts.network import ROWS_A_BLOCK
from tunelab.data.items import Items, Parts
from tunelab.data.split import Split
from tunelab.encoding import decode, encode
from tunelab.errors import DataError, PluginError, RunError, TunelabError
from tunelab.models.losses import loss_for
from tunelab.plugins import announced_places
from tunelab.training.network import LayerNetwork
from tunelab.training.networks import Told, module_network, passes_of_one
from tunelab.training.weights_file import WEIGHTS, read, write

SCALING = ("shift", "spread", "target_shift", "target_spread")


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model that predicts: the best of a study, now or in a later session.

        model = TrainedModel.load("studies/digits-1")

    Its file, `best.safetensors`, holds the weights under their names, which for a PyTorch module are those of its
    `state_dict`, and as metadata all else that is needed to predict. The function that makes a module is not in it:
    it is imported by its name.

    Attributes:
        model: the plugin that lays out the layers, or makes the module.
        weights: its tensors by name.
        inputs: what a row is.
        outputs: what is told of it; a module may tell more classes.
        targets: classes or values.
        classes: labels of the classes; those beyond them are their numbers.
        scaling: `shift` and `spread` of the features, `target_shift` and `target_spread` of the values; nothing where
            the data was read item by item, and trained on as it is.
        x_type: the type of the features that it was trained on; whole numbers are left as they are.
        dtype: in which it was trained.
        seed: the trial's.
        examples: a few rows of the training part, as they came; none where rows are very long.
        ragged: whether rows of one batch may have another shape than those of the next: padded texts.

    >>> from tunelab import Experiment
    >>> from tunelab.models import SoftmaxRegression
    >>> from tunelab.tracking import MemoryTracker
    >>> experiment = Experiment(name="wine", data="wine", model=SoftmaxRegression(), optimizer="adam", epochs=5)
    >>> study = experiment.run(trials=4, executor="inline", tracker=MemoryTracker(), folder=getfixture("tmp_path"))
    >>> model = TrainedModel.load(study.folder)
    >>> model.predict(experiment.data.load().x[:5]).shape
    (5,)
    """

    model: Model
    weights: Mapping[str, np.ndarray]
    inputs: Inputs
    outputs: Outputs
    targets: Targets
    classes: tuple[str, ...]
    scaling: Mapping[str, np.ndarray]
    x_type: str
    dtype: str
    seed: int
    examples: np.ndarray
    ragged: bool = False

    @classmethod
    def of(cls, model: Model, weights: Mapping[str, np.ndarray], parts: Parts, dtype: str, seed: int) -> "TrainedModel":
        """Return the trained model of a trial's weights and the data that it was trained on."""
        classes: tuple[str, ...] = ()
        scaling: dict[str, np.ndarray] = {}
        examples = np.zeros((0, *parts.inputs.shape))
        if isinstance(parts, Split):
            classes, examples = parts.classes, parts.examples
            scaling = {name: getattr(parts, name) for name in SCALING}
        outputs = Outputs(parts.outputs, parts.places)
        kinds, ragged = (parts.inputs, outputs, parts.targets, classes), isinstance(parts, Items) and parts.ragged
        return cls(model, weights, *kinds, scaling, parts.x_type, dtype, seed, examples, ragged)

    def save(self, path: Path) -> None:
        """Write the model to a `.safetensors` file, whole or not at all."""
        about = {
            "model": encode(self.model),
            "is_module": self.is_module,
            "reconstructs": self._reconstructs,
            "inputs": asdict(self.inputs),
            "outputs": asdict(self.outputs),
            "targets": self.targets,
            "classes": self.classes,
            "scaling": {name: values.tolist() for name, values in self.scaling.items()},
            "x_type": self.x_type,
            "dtype": self.dtype,
            "seed": self.seed,
            "examples": self.examples.tolist(),
            "ragged": self.ragged,
            "versions": _versions("tunelab", "numpy", *(("torch",) if self.is_module else ())),
        }
        write(path, self.weights, about)

    @classmethod
    def load(cls, path: Path | str, model: Model | Callable[..., Any] | None = None) -> "TrainedModel":
        """Read a model that a study kept. The file holds no code, and names some: what makes the model.

        What it names is imported and called, so of a file that somebody else may have written give the `model`: then
        nothing is imported but what is given, plugins that are installed, and PyTorch's modules.

        Args:
            path: the file, or the study's folder.
            model: the function or class that a `TorchModel` is made of, or the model itself, where it cannot be
                imported by the name that the file gives (it was written in a notebook, say), or where that name is
                not to be trusted.

        Raises:
            DataError: a file that is missing, damaged, no such model, or another model's than the one that is there
                now; or PyTorch is not installed, and it is a module.
            PluginError: the model cannot be imported or made here.
        """
        file = Path(path) / WEIGHTS if os.path.isdir(path) else Path(path)
        weights, about = read(file)
        try:
            form, fields = about["model"], _fields(about)
        except Exception as error:  # a file that somebody else wrote
            raise DataError(f"{file} is no trained model of tunelab: {type(error).__name__}: {error}") from None
        found = cls(_restored(file, form, model), weights, **fields)
        found._check(file)
        return found

    @property
    def is_module(self) -> bool:
        """Whether it is a PyTorch module."""
        return isinstance(self.model, ModuleModel)

    def module(self) -> Any:
        """Return a new `torch.nn.Module` with the trained weights, in evaluation mode.

        It takes rows as it did in training: scaled, `(B, *inputs.shape)`.

        Raises:
            RunError: the model is made of tunelab's own layers.
        """
        if not self.is_module:
            raise RunError(f"{self.model!r} is made of tunelab's own layers, and no PyTorch module; use predict")
        return self._network.trained(self._network.state(self.weights, self.seed))

    def raw(self) -> Any:
        """Return the same as a `torch.nn.Module` that takes rows as they come, and returns logits or values.

        Its attribute `module` is the person's own.

        Raises:
            RunError: as `module`.
        """
        module = self.module()
        import torch

        from tunelab.backends.pytorch.raw_rows import RawRows

        kinds, dtype = (self.inputs, self.outputs, self.targets), getattr(torch, self.dtype)
        return RawRows(module, *kinds, self.scaling, dtype, whole=self._is_whole).eval()

    def outputs_of(self, x: np.ndarray) -> np.ndarray:
        """Return the network's outputs `(rows, ...)` for unscaled rows: logits, or scaled values.

        Args:
            x: rows of features, `(rows, features)` or `(rows, *inputs.shape)`.

        Raises:
            DataError: rows of another shape.
            RunError: a module that returns more than one tensor; `module()` gives it to call.
        """
        rows = self._rows(x)
        passes, backend = self._passes
        parts = [rows[start : start + ROWS_A_BLOCK] for start in range(0, max(len(rows), 1), ROWS_A_BLOCK)]
        found = [passes.outputs(backend.asarray(part)) for part in parts]
        if isinstance(found[0], tuple):
            raise RunError(f"{self.model!r} returns more than one tensor; call its module() and take what you need")
        return np.concatenate([backend.to_numpy(each)[0] for each in found])

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the class labels `(rows,)` or `(rows, places)`, or the values `(rows, outputs)` in the data's units.

        Args:
            x: rows of features as they come, unscaled, `(rows, features)` or `(rows, *inputs.shape)`.

        Raises:
            DataError, RunError: as `outputs_of`; also outputs that are not those of the classes or values to tell.
        """
        outputs = self.outputs_of(x)
        self._require_told(outputs)
        if self.targets == "classes":
            more = range(len(self.classes), outputs.shape[-1])
            labels: np.ndarray = np.array([*self.classes, *map(str, more)])[outputs.argmax(axis=-1)]
            return labels
        if not self.scaling:
            return outputs
        values: np.ndarray = outputs * self.scaling["target_spread"] + self.scaling["target_shift"]
        return values

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
        """Return the metrics of the loss that fits the targets, on rows of a `Split`, which are scaled already."""
        passes, backend = self._passes
        found = passes.evaluate(backend.asarray(x), backend.asarray(y))
        return {name: float(values[0]) for name, values in found.items()}

    def _require_told(self, outputs: np.ndarray) -> None:
        *places, count = self.outputs.shape
        told = list(outputs.shape[1:-1]) == places and outputs.ndim > 1 and outputs.shape[-1] >= count
        if self.targets == "values":
            told = not count or outputs.shape[1:] == self.outputs.shape
        if not told or self._reconstructs:
            raise RunError(
                f"{self.model!r} returns {outputs.shape[1:]} a row, which tells no {self.targets} of "
                f"{self.outputs.shape}; outputs_of() returns it as it is, and module() the module"
            )

    def _rows(self, x: np.ndarray) -> np.ndarray:
        """Return rows as they were trained on: scaled, and flat where all rows were in memory."""
        given, shape = np.asarray(x), self.inputs.shape
        if not self.scaling:
            if given.ndim != len(shape) + 1:
                raise DataError(f"expected rows of shape {shape}, was an array of shape {given.shape}")
            return given.astype(self.x_type)
        features = len(self.scaling["shift"])
        if given.ndim > 2 and given.shape[1:] == shape:
            given = given.reshape(len(given), features)
        if given.ndim != 2 or given.shape[1] != features:
            shaped = f", or of shape {shape}" if len(shape) > 1 else ""
            raise DataError(f"expected rows of {features} features{shaped}, was an array of shape {given.shape}")
        if self._is_whole:
            return given.astype(self.x_type)
        scaled: np.ndarray = (given.astype(np.float64) - self.scaling["shift"]) / self.scaling["spread"]
        return scaled

    @property
    def _is_whole(self) -> bool:
        return np.dtype(self.x_type).kind != "f"

    @property
    def _reconstructs(self) -> bool:
        return isinstance(self.model, ModuleModel) and self.model.reconstructs

    @cached_property
    def _passes(self) -> tuple[Passes, Backend]:
        network, backend = self._network, self._backend()
        return passes_of_one(network, backend, network.state(self.weights, self.seed)), backend

    @cached_property
    def _network(self) -> Any:
        if isinstance(self.model, ModuleModel):
            told = Told(self.inputs, self.outputs, self.targets, flat=bool(self.scaling), at_least=True)
            return module_network(self.model, told, self.dtype)
        assert isinstance(self.model, LayerModel)
        loss = self.model.loss(self.targets) or loss_for("auto", self.targets)
        return LayerNetwork(self.model.layers(len(self.scaling["shift"]), self.outputs.count), loss)

    def _backend(self) -> Backend:
        if not self.is_module:
            return NumpyBackend(self.dtype)
        import torch

        from tunelab.backends.pytorch.backend import TorchBackend

        return TorchBackend(self.dtype, Torch(device="cpu", threads=torch.get_num_threads()))

    def _check(self, file: Path) -> None:
        """Raise unless the model is one that these weights and numbers fit."""
        if not (self.is_module or self.scaling):
            raise DataError(f"{file} is no trained model of tunelab: it has no scaling")
        if self.is_module and find_spec("torch") is None:
            raise DataError(f"{file} holds a PyTorch module, and PyTorch is not here; pip install 'tunelab[torch]'")
        try:
            network = self._network
        except Exception as error:
            raise PluginError(f"{file}: {self.model!r} cannot be made: {type(error).__name__}: {error}") from error
        try:
            network.state(self.weights, self.seed)
        except DataError as error:
            raise DataError(f"{file} is not of {self.model!r} as it is now: {error}") from None


def _fields(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that a file's JSON holds, but for the model."""
    inputs = Inputs(**about["inputs"] | {"shape": tuple(about["inputs"]["shape"])})
    outputs = Outputs(**about["outputs"])
    features, scaling = int(np.prod(inputs.shape)), about["scaling"]
    widths = {name: outputs.count if name.startswith("target") else features for name in SCALING if scaling}
    row = (features,) if scaling else inputs.shape
    return {
        "inputs": inputs,
        "outputs": outputs,
        "targets": str(about["targets"]),
        "classes": tuple(about["classes"]),
        "scaling": {name: np.array(scaling[name], float).reshape(width) for name, width in widths.items()},
        "x_type": np.dtype(about["x_type"]).name,
        "dtype": np.dtype(about["dtype"]).name,
        "seed": int(about["seed"]),
        "examples": np.array(about["examples"]).reshape(len(about["examples"]), *row),
        "ragged": bool(about["ragged"]),
    }


def _restored(file: Path, form: Any, given: Model | Callable[..., Any] | None) -> Model:
    if isinstance(given, Model):
        return given
    try:
        with vouched_only(None if given is None else announced_places()):
            model = decode(form if given is None else form | {"of": given}, "model")
    except TunelabError as error:
        if not isinstance(error.__cause__, ImportError | AttributeError | ValueError):
            raise PluginError(f"{file}: {error}") from None
        place = str(form.get("of") or form["plugin"])
        name = place.rpartition(":")[2].rpartition(".")[2]
        raise PluginError(
            f"{file} holds a model made of {place}, which cannot be imported here: {error.__cause__}. Start Python "
            f"where it can be (PYTHONPATH=<the folder of its file>), or give it: TrainedModel.load(path, {name})"
        ) from None
    if not isinstance(model, Model):
        raise DataError(f"{file} is no trained model of tunelab: its model is {model!r}")
    return model


def _versions(*names: str) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from its source, not installed
            found[name] = ""
    return found

"""`Experiment`: what is trained and what may vary. A frozen record with a JSON form and a hash."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, field_serializer, field_validator, model_validator

from tunelab.contracts import Dataset, Model, Optimizer, OwnFunction, Plugin, Rule, Schedule, Search, Torch, Value
from tunelab.data import Arrays, DataFile, TorchData
from tunelab.data.torch_data import torch_data_of
from tunelab.drawing import Node, Suggest, chosen, draw, rebuild
from tunelab.encoding import decode, encode, node_of
from tunelab.errors import ExperimentError
from tunelab.searchable import Searchable, json_fields
from tunelab.space import Range

BatchSize = PositiveInt | Literal["full", "loader"]


FILES = (".csv", ".npz", ".parquet")
"""How the path of a data file ends."""


class Training(Plugin):
    """How a trial trains beside its model, optimizer and schedule.

    Attributes:
        batch_size: rows a step; `"full"` for the whole training part, `"loader"` for what a DataLoader that draws
            batches by itself makes of it.
        epochs: passes over the training part.
        warmup: the fraction of all steps over which the learning rate rises linearly, before the schedule starts.
        weight_decay: coupled decay: g <- g + weight_decay * theta, after clipping. (AdamW has its own, decoupled.)
        clip_norm: the gradient of all parameters together is scaled down to this Euclidean norm.
    """

    batch_size: BatchSize = 32
    epochs: PositiveInt = 20
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip_norm: PositiveFloat | None = None


@dataclass(frozen=True)
class Configuration:
    """An experiment with every choice made: what one trial trains."""

    model: Model
    optimizer: Optimizer
    schedule: Schedule
    training: Training

    @property
    def batch_size(self) -> BatchSize:
        """Rows a step; an optimizer may insist on all of them."""
        full = any(rule.full_batch for rule in self.optimizer.rules())
        return "full" if full else self.training.batch_size

    @property
    def penalised(self) -> Optimizer:
        """The optimizer, with the experiment's own clipping and weight decay before each of its rules."""
        clip_norm, weight_decay = self.training.clip_norm, self.training.weight_decay
        if clip_norm is None and not weight_decay:
            return self.optimizer
        from tunelab.optimizers.penalties import penalised  # imports every optimizer that there is

        return penalised(self.optimizer, clip_norm, weight_decay)


class Experiment(Searchable):
    """What is trained, and what may vary.

    Any of `model`, `optimizer`, `schedule`, `batch_size`, `epochs`, `warmup`, `weight_decay` and `clip_norm` may be
    fixed or searched. A plugin's name opens it with its own ranges, an instance fixes it, `.search(...)` is in
    between, and a `Choice` picks one of several.

    Args:
        name: groups studies that are compared with each other.
        data: a data set's name or instance, `(x, y)` arrays, the path of an .npz, CSV or Parquet file, or what PyTorch
            has: tensors `(x, y)`, a Dataset or DataLoader, or one for each part: `(train, validation)`,
            `{"train": ..., "validation": ..., "test": ...}` (`TorchData`). None for a model that is a function.
        model: what is trained.
        optimizer: the rule.
        schedule: how its learning rate moves; constant by default.
        batch_size: rows a step, or `"full"`; by default that of a DataLoader, else 32.
        epochs: passes over the training part.
        warmup: fraction of the steps over which the learning rate first rises.
        weight_decay: coupled (L2) decay.
        clip_norm: largest norm of a member's gradient, or None.
        steps_per_epoch: steps between two reports; by default one pass over the training part.
        loss: `"cross_entropy"`, `"mean_squared_error"`, or what fits the targets; for a PyTorch module also a function
            of its outputs and the targets of a batch, which returns one number: `torch.nn.CrossEntropyLoss(...)`.
        metrics: what else is measured of a PyTorch module, by name: functions of its outputs and the targets of all
            rows of a part, or torchmetrics' objects.
        maximize: the metric to raise, such as `val_accuracy`.
        minimize: the metric to lower; `val_loss` by default (`loss` without data).
        validation: fraction of the rows held out to choose by.
        test: fraction of the rows held out to report the best trial on, once.
        split_seed: decides which rows go where; the same for all trials.
        scale: how features are scaled; `"auto"` takes the data set's own way.
        dtype: of all arrays in training.
        backend: what computes: `"numpy"`, or `"torch"` where PyTorch is installed, or `Torch(device=..., ...)`.
        diverged_above: a training loss above this ends a trial as diverged, as NaN and infinity do.

    Raises:
        ExperimentError, PluginError, SpaceError: what was given cannot be trained or searched.

    >>> from tunelab import Choice, Experiment
    >>> from tunelab.models import MLP
    >>> experiment = Experiment(name="digits", data="digits", model=MLP(width=64), optimizer=Choice("sgd", "adam"),
    ...                         maximize="val_accuracy")
    >>> Experiment.from_json(experiment.to_json()) == experiment
    True
    """

    spelling: ClassVar[str] = "Experiment"

    data: Any = None
    model: Any
    optimizer: Any
    schedule: Any = Field(default="constant", validate_default=True)
    batch_size: Any = 32
    epochs: Any = 20
    warmup: Any = 0.0
    weight_decay: Any = 0.0
    clip_norm: Any = None
    steps_per_epoch: PositiveInt | None = None
    loss: Literal["auto", "cross_entropy", "mean_squared_error"] | OwnFunction = "auto"
    metrics: Mapping[str, OwnFunction] = Field(default_factory=dict)
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test: Annotated[float, Field(ge=0, lt=1)] = 0.0
    split_seed: Annotated[int, Field(ge=0)] = 0
    scale: Literal["auto", "standard", "minmax", "none"] = "auto"
    dtype: Literal["float32", "float64"] = "float32"
    backend: Literal["numpy", "torch"] | Torch = "numpy"
    diverged_above: PositiveFloat = 1e8

    @model_validator(mode="before")
    @classmethod
    def _loaded(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Take the batch size of a DataLoader, unless the experiment gives one."""
        data = dataset_of(fields.get("data"))
        own = {"batch_size": data.batch_size} if isinstance(data, TorchData) and data.batch_size else {}
        return {**own, **fields, "data": data}

    @field_validator("model", "optimizer", "schedule", mode="before")
    @classmethod
    def _plugin(cls, given: Any, info: Any) -> Node:
        return node_of(given, info.field_name)

    @field_validator("batch_size", "epochs", "warmup", "weight_decay", "clip_norm", mode="before")
    @classmethod
    def _number(cls, given: Any, info: Any) -> Node:
        return Training.check(info.field_name, decode(given, None))

    @field_validator("backend")
    @classmethod
    def _computes(cls, given: Any) -> Any:
        return "torch" if given == Torch() else given

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.validation + self.test >= 1:
            raise ExperimentError(
                f"Experiment: validation={self.validation} and test={self.test} leave no row to train on; lower one"
            )
        drawn = isinstance(self.data, TorchData) and self.data.batch_size == "loader"
        if drawn and self.batch_size != "loader":
            raise ExperimentError(
                f"Experiment: batch_size={self.batch_size!r}: the DataLoader draws batches by itself; leave batch_size "
                "out, or give a DataLoader with batch_size, and sampler or shuffle=True, in place of its batch_sampler"
            )
        if self.batch_size == "loader" and not drawn:
            raise ExperimentError("Experiment: batch_size='loader' is for a DataLoader that draws batches by itself")
        return self

    @field_serializer("data", "model", "optimizer", "schedule", "batch_size", "epochs", "warmup", "weight_decay",
                      "clip_norm")  # fmt: skip
    def _encoded(self, node: Node) -> Any:
        return encode(node)

    @property
    def objective(self) -> str:
        """The metric that is optimised."""
        return self.maximize or self.minimize or ("loss" if self.data is None else "val_loss")

    @property
    def nodes(self) -> dict[str, Node]:
        """What may vary, by field."""
        return {field: getattr(self, field) for field in ("model", "optimizer", "schedule", *Training.model_fields)}

    def bounds_of(self, field: str) -> tuple[type[Plugin], str]:
        """Return whose bounds a field keeps that no plugin stands in."""
        return Training, field

    def with_nodes(self, nodes: Mapping[str, Node]) -> Self:
        """Return the same with others of the nodes in their fields."""
        return type(self)(**dict(self) | dict(nodes))

    def on(self, backend: str) -> Self:
        """Return the same, computed by another backend; raise `ExperimentError` for an unknown one."""
        return type(self)(**dict(self) | {"backend": backend})

    def restored(self, text: str) -> Self:
        """Return what `to_json` wrote of an earlier form of this, on the data of this one.

        A loss and metrics that are objects, of which JSON has no more than what they show, are this one's too.
        """
        fields = json_fields(text)
        if self.data is not None:
            fields["data"] = self.data
        if _is_object(self.loss):
            fields["loss"] = self.loss
        named = fields.get("metrics", {})
        given = {name: metric for name, metric in self.metrics.items() if name in named and _is_object(metric)}
        return type(self)(**fields | {"metrics": named | given})

    def to_json(self) -> str:
        """Return the experiment as JSON, the same text for equal ones.

        Raises:
            DataError: data of PyTorch's that cannot be read, a few items of which are looked at.
        """
        if isinstance(self.data, TorchData):
            self.data.fingerprint  # noqa: B018 - raises what is wrong, where JSON's own error would hide it
        return super().to_json()

    @classmethod
    def from_json(cls, text: str, *, data: Any = None) -> Self:
        """Return the experiment that `to_json` wrote; arrays are not in the JSON and must be given again as `data`.

        Raises:
            ExperimentError: text that is no experiment.
        """
        fields = json_fields(text)
        return cls(**(fields | ({"data": data} if data is not None else {})))

    def draw(self, suggest: Suggest) -> dict[str, Value]:
        """Return flat hyperparameters, every choice made by `suggest`."""
        params: dict[str, Value] = {}
        for field, node in self.nodes.items():
            if field == "batch_size" and self._full_batch(params):
                params[field] = "full"
            else:
                default = Training.model_fields[field].default if field in Training.model_fields else None
                params.update(draw(node, suggest, field, field, default))
        return params

    def configure(self, params: dict[str, Value]) -> Configuration:
        """Return the objects that flat hyperparameters stand for; the inverse of `draw`.

        Raises:
            ExperimentError: hyperparameters that are not of this experiment.
        """
        plugins = {field: rebuild(self.nodes[field], params, field) for field in ("model", "optimizer", "schedule")}
        full = any(rule.full_batch for rule in plugins["optimizer"].rules())
        numbers = {
            field: "full" if field == "batch_size" and full else rebuild(self.nodes[field], params, field)
            for field in Training.model_fields
        }
        return Configuration(**plugins, training=Training(**numbers))

    def _full_batch(self, params: dict[str, Value]) -> bool:
        return any(issubclass(each, Rule) and each.full_batch for each in chosen(self.optimizer, params, "optimizer"))


def _is_object(own: Any) -> bool:
    """Whether it is called like a function, and is none: it has no name under which JSON's reader would find it."""
    return callable(own) and not hasattr(own, "__qualname__")


def dataset_of(given: Any) -> Dataset | None:
    """Return the data set that a person's spelling means.

    Raises:
        ExperimentError: none of the spellings.
    """
    if given is None or isinstance(given, Dataset):
        return given
    found = torch_data_of(given)
    if found is not None:
        return found
    if isinstance(given, tuple | list) and len(given) == 2:
        return Arrays(x=given[0], y=given[1])
    if isinstance(given, Path) or (isinstance(given, str) and Path(given).suffix.lower() in FILES):
        return DataFile(path=str(given))
    if not isinstance(given, str | dict | type | Search):
        was = repr(given) if isinstance(given, Value | Range) else f"of type {type(given).__name__}"
        raise ExperimentError(
            "data: expected the name or an instance of a data set, arrays (x, y), the path of a .csv, .npz or .parquet "
            f"file, or a torch Dataset or DataLoader; was {was}"
        )
    node = node_of(given, "dataset")
    if isinstance(node, Search):
        raise ExperimentError(f"data: must be fixed, was {node!r}")
    return node  # type: ignore[no-any-return]

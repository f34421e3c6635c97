"""PyTorch's tensors, data sets and loaders. torch is imported only where a person brought one of these."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, PrivateAttr, field_serializer

from tunelab.contracts import Dataset, Table
from tunelab.data.items import Parts
from tunelab.data.partition import PARTS
from tunelab.data.split import Scale
from tunelab.errors import DataError

if TYPE_CHECKING:
    from tunelab.data.pytorch.parting import Given


def _part(given: Any) -> Any:
    if isinstance(given, str):
        raise DataError("TorchData: JSON keeps only the length and a hash of such data, so give it again")
    if _is_pair_of_tensors(given):
        return _torch().utils.data.TensorDataset(*_of_one_length(*given))
    if given is None or _is_loader(given) or _is_dataset(given):
        return given
    if isinstance(given, list | tuple | dict) or not hasattr(given, "__getitem__") or hasattr(given, "__array__"):
        raise DataError(
            f"TorchData: a part must be a torch Dataset, a DataLoader, or a pair of tensors (x, y), was {_shown(given)}"
            "; torch.as_tensor makes a tensor of an array"
        )
    return given


class TorchData(Dataset):
    """Data as PyTorch has it: tensors, a `Dataset`, a `DataLoader`, for training alone or for each part.

        Experiment(data=(x, y), ...)                                   # tensors
        Experiment(data=faces, ...)                                    # any Dataset: torchvision's, your own
        Experiment(data=(DataLoader(train, 64, shuffle=True), DataLoader(held_out)), ...)
        Experiment(data=TorchData(faces, cache=True), ...)             # read once, into memory

    It is trained on as it is: nothing is scaled unless the experiment says so (`scale=`, for rows in memory only),
    whole numbers stay whole, and real ones take the experiment's dtype. Whole-number targets are classes.

    A part that is not given is cut out of the training part, by the experiment's fractions and `split_seed`; classes
    keep their share where the data set lists them (`targets`, as torchvision's do). A DataLoader's own batch size,
    `collate_fn`, `drop_last`, workers and samplers hold; an experiment that gives or searches `batch_size` sets that.

    Tensors, a `TensorDataset`, and one behind a plain `DataLoader(shuffle=True)` are rows in memory, and any model
    trains on them. All else is read anew in every epoch, for each trial by itself, and trains modules (`TorchModel`).
    What transforms draw from the generators of torch, NumPy and `random` then depends on the trial's seed and the epoch
    alone: they are seeded for every batch, and left as they were. The training loss is then the mean over the epoch's
    steps, and nothing else is measured on the training part. Validation is read once for all trials that train
    together, with the same random numbers each time.

    Two of the same fingerprint are equal: that of tensors is a hash of all, that of other data sets one of the class,
    the length and eight items. JSON holds no more: an experiment that is read back needs its data given again.

    Args:
        train: what to train on.
        validation: what to choose by.
        test: what to report the best trial on.
        cache: read each item once, into memory; for data sets whose transforms draw no random numbers.

    Raises:
        DataError: none of these, empty, without a length, or, on loading, items that cannot be read or trained on.

    >>> import torch
    >>> data = TorchData((torch.arange(12.0).reshape(6, 2), torch.tensor([0, 1, 0, 1, 0, 1])))
    >>> data
    TorchData(train=TensorDataset of 6)
    >>> data.load().x.shape, data.load().classes
    ((6, 2), ('0', '1'))
    """

    scale: ClassVar[Literal["standard", "minmax", "none"]] = "none"

    train: Annotated[Any, BeforeValidator(_part)]
    validation: Annotated[Any, BeforeValidator(_part)] = None
    test: Annotated[Any, BeforeValidator(_part)] = None
    cache: bool = False
    _found: "_Found" = PrivateAttr(default_factory=lambda: _Found())

    def __init__(self, train: Any = None, validation: Any = None, test: Any = None, **fields: Any) -> None:
        given = zip(PARTS, (train, validation, test), strict=True)
        super().__init__(**{part: value for part, value in given if value is not None}, **fields)

    def model_post_init(self, context: Any, /) -> None:
        """Find out what each part is; nothing is read."""
        super().model_post_init(context)
        self._given  # noqa: B018

    @property
    def batch_size(self) -> int | Literal["loader"] | None:
        """Rows a batch in the training part's DataLoader; "loader" where it draws them itself, None without one."""
        source = self._given.sources["train"]
        return "loader" if source.draws_batches else source.size

    @property
    def fingerprint(self) -> str:
        """What tells these data from others: a hash in hexadecimal."""
        return self._given.fingerprint

    @property
    def source(self) -> str:
        """Where the rows come from."""
        return self._given.sources["train"].told

    def load(self) -> Table:
        """Return all rows, of all parts, where they are in memory.

        Raises:
            DataError: they are read item by item.
        """
        return self._given.table()

    def parted(self, *, validation: float, test: float, seed: int, scale: Scale, as_given: bool) -> Parts:
        """Return the parts to train on.

        Args:
            validation, test: shares of the training part, for parts that are not given.
            seed: decides which rows.
            scale: of features.
            as_given: whether targets go to the loss as they are: to a person's own.

        Raises:
            DataError: items that cannot be read, parts that cannot be cut out, or what tunelab's losses do not take.
        """
        return self._given.parted({"validation": validation, "test": test}, seed, scale, as_given=as_given)

    @property
    def _given(self) -> "Given":
        if self._found.given is None:
            from tunelab.data.pytorch.parting import Given

            parts = {part: getattr(self, part) for part in PARTS}
            self._found.given = Given({part: each for part, each in parts.items() if each is not None}, self.cache)
        return self._found.given

    def structure(self) -> tuple[Any, ...]:
        """Return the class and the fingerprint, which stands for the data."""
        return (type(self), self.fingerprint, self.cache)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TorchData) and self.structure() == other.structure()

    def __hash__(self) -> int:
        return hash(self.structure())

    def __repr_args__(self) -> Any:
        for part, source in self._given.sources.items():
            yield part, _Verbatim(source.told)
        if self.cache:
            yield "cache", True

    @field_serializer("train", "validation", "test", when_used="json")
    def _summary(self, given: Any, info: Any) -> str | None:
        return None if given is None else self._given.summary(info.field_name)


class _Found:
    """What was found of the data, in this process: it does not travel, the data does."""

    def __init__(self) -> None:
        self.given: Given | None = None

    def __reduce__(self) -> Any:
        return (_Found, ())


class _Verbatim(str):
    """Text that a repr shows without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def torch_data_of(given: Any) -> TorchData | None:
    """Return the data that a spelling of PyTorch's stands for; None for any other. torch is not imported.

    Raises:
        DataError: parts that are none, or called otherwise than train, validation and test.
    """
    if _torch() is None:
        return None
    if isinstance(given, Mapping) and "train" in given:
        unknown = [name for name in given if name not in PARTS]
        if unknown:
            raise DataError(f"data: the parts are called train, validation and test, was {unknown[0]!r}")
        return TorchData(**given)
    if _is_source(given):
        return TorchData(given)
    if isinstance(given, Sequence) and len(given) == 2 and all(map(_is_source, given)):
        return TorchData(*given)
    return None


def _is_source(given: Any) -> bool:
    return _is_dataset(given) or _is_loader(given) or _is_pair_of_tensors(given)


def _torch() -> Any:
    """Return torch, if anybody has imported it: who brings its objects has."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "utils") else None


def _is_dataset(given: Any) -> bool:
    torch = _torch()
    return torch is not None and isinstance(given, torch.utils.data.Dataset)


def _is_loader(given: Any) -> bool:
    torch = _torch()
    return torch is not None and isinstance(given, torch.utils.data.DataLoader)


def _is_pair_of_tensors(given: Any) -> bool:
    torch = _torch()
    is_pair = isinstance(given, tuple | list) and len(given) == 2
    return torch is not None and is_pair and all(isinstance(each, torch.Tensor) for each in given)


def _of_one_length(x: Any, y: Any) -> tuple[Any, Any]:
    if not x.dim() or not y.dim() or len(x) != len(y):
        raise DataError(f"TorchData: x has shape {tuple(x.shape)} and y {tuple(y.shape)}; each row needs one target")
    return x, y


def _shown(given: Any) -> str:
    if isinstance(given, tuple | list):
        return f"a {type(given).__name__} of {', '.join(type(each).__name__ for each in given) or 'nothing'}"
    return f"of type {type(given).__name__}"

"""What a study can search: all that it needs of an experiment, whoever trains it."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tunelab.contracts import Plugin, Value
from tunelab.drawing import Node, Suggest
from tunelab.errors import ExperimentError, suggestion

if TYPE_CHECKING:
    from tunelab.study import Study


class Searchable(BaseModel, ABC):
    """What may vary, by what it is judged, and under which name: a frozen record with a JSON form and a hash.

    Attributes:
        spelling: how a person writes one, for messages.
        name: groups studies that are compared with each other, and names their folders.
        maximize: the metric to raise.
        minimize: the metric to lower.

    Raises:
        ExperimentError: an unknown field, a wrong value, or both maximize and minimize.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

    spelling: ClassVar[str]

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
    maximize: str | None = None
    minimize: str | None = None

    def __init__(self, **fields: Any) -> None:
        unknown = [field for field in fields if field not in type(self).model_fields]
        if unknown:
            known = suggestion(unknown[0], type(self).model_fields)
            raise ExperimentError(f"{self.spelling} has no field {unknown[0]!r}; {known}")
        try:
            super().__init__(**fields)
        except ValidationError as error:
            first = error.errors()[0]
            where = str(next(iter(first["loc"]), self.spelling))
            problem = "is required" if first["type"] == "missing" else f"{first['msg']}, was {first['input']!r}"
            raise ExperimentError(f"{self.spelling}: {where}: {problem}") from None

    @model_validator(mode="after")
    def _one_direction(self) -> Self:
        if self.maximize and self.minimize:
            raise ExperimentError(f"{self.spelling}: give maximize or minimize, not both")
        return self

    @property
    @abstractmethod
    def objective(self) -> str:
        """The metric that is optimised."""

    @property
    @abstractmethod
    def nodes(self) -> dict[str, Node]:
        """What may vary, by field."""

    @abstractmethod
    def bounds_of(self, field: str) -> tuple[type[Plugin], str]:
        """Return whose bounds a field keeps that no plugin stands in: a class, and the name of a field of it."""

    @abstractmethod
    def with_nodes(self, nodes: Mapping[str, Node]) -> Self:
        """Return the same with others of the nodes in their fields."""

    @abstractmethod
    def on(self, backend: str) -> Self:
        """Return the same, computed by another backend.

        Raises:
            ExperimentError: one that this cannot be computed by.
        """

    @abstractmethod
    def restored(self, text: str) -> Self:
        """Return what `to_json` wrote of an earlier form of this; what is not in JSON is taken from this one.

        Raises:
            ExperimentError: text that is nothing of this kind.
        """

    @abstractmethod
    def draw(self, suggest: Suggest) -> dict[str, Value]:
        """Return flat hyperparameters, every choice made by `suggest`."""

    @property
    def hash(self) -> str:
        """SHA-256 of the JSON form, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Return the record as JSON, the same text for equal records."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=1)

    def run(self, **settings: Any) -> "Study":
        """Search: `tunelab.study.run(self, **settings)`, whose page lists the settings."""
        from tunelab.study import run

        return run(self, **settings)


def json_fields(text: str) -> dict[str, Any]:
    """Return the fields of a record that `to_json` wrote.

    Raises:
        ExperimentError: text that is no JSON object.
    """
    try:
        fields = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise ExperimentError(f"no experiment in JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ExperimentError(f"no experiment in JSON: expected an object, was {type(fields).__name__}")
    return fields

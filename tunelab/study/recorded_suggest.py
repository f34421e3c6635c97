"""Who decides a trial's hyperparameters when it is trained again: what was recorded of it."""

from collections.abc import Mapping

from tunelab.contracts import Value
from tunelab.errors import ExperimentError
from tunelab.space import Float, Int


class RecordedSuggest:
    """What a tracker shows of a trial: flat hyperparameters, as text.

    A float's text is the shortest that gives the same float, so nothing is lost.

    Args:
        texts: value by flat name: `{"optimizer": "adam", "optimizer.lr": "0.003"}`.

    >>> RecordedSuggest({"optimizer.lr": "0.1"}).number("optimizer.lr", Float(0.0, 1.0), None)
    0.1
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._flat: dict[str, str] = {}  # the sampler's name of an alternative: the flat name of the choice

    def number(self, name: str, within: Float | Int, default: float | None) -> float | int:
        """Return the number that was recorded."""
        name, text = self._recorded(name)
        kind = int if isinstance(within, Int) else float
        try:
            return kind(text)
        except ValueError:
            raise ExperimentError(f"the recorded {name} is {text!r}, and {within!r} needs a number") from None

    def option(self, name: str, labels: tuple[Value, ...], default: Value) -> Value:
        """Return the alternative that was recorded, and note whose fields are meant by its name."""
        flat, text = self._recorded(name)
        for label in labels:
            if str(label) == text:
                self._flat[f"{name}.{label}"] = flat
                return label
        known = ", ".join(map(str, labels))
        raise ExperimentError(f"the recorded {flat} is {text!r}, and the experiment has only: {known}")

    def _recorded(self, name: str) -> tuple[str, str]:
        """Return the flat name of what a sampler sees, and its text."""
        inside = (path for path in self._flat if name.startswith(f"{path}."))
        path = max(inside, key=len, default=None)
        flat = name if path is None else self._flat[path] + name.removeprefix(path)
        if flat not in self._texts:
            raise ExperimentError(f"no {flat} is recorded; recorded are: {', '.join(sorted(self._texts)) or 'none'}")
        return flat, self._texts[flat]

"""What is not as it was when a trial was recorded: what may be the cause if it comes out otherwise."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tunelab.contracts import Value
from tunelab.searchable import Searchable
from tunelab.study.software import platform_now, versions_of
from tunelab.tracking.recorded import RecordedTrial

_SHOWN = 12  # characters of a hash that tell it from another
_ABSENT = "none"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was.

    Attributes:
        what: the data, a distribution, a hyperparameter, ...
        recorded: what was recorded of it.
        now: the same today.
    """

    what: str
    recorded: str
    now: str

    def __str__(self) -> str:
        return f"{self.what}: {self.recorded} then, {self.now} now"


def changes(
    recorded: RecordedTrial, experiment: Searchable, params: Mapping[str, Value], fingerprint: str | None
) -> tuple[Change, ...]:
    """Return what has changed since a trial was recorded, as far as its record tells.

    Args:
        recorded: the trial.
        experiment: what it is trained by now.
        params: the flat hyperparameters that it is trained with now.
        fingerprint: of the data as they are now.
    """
    return (
        *_data(recorded.fingerprint, fingerprint),
        *_software(recorded, experiment),
        *_experiment(recorded.experiment_json, recorded.experiment_hash, experiment),
        *_source(recorded),
        *_params(recorded.params, params),
    )


def _data(before: str | None, now: str | None) -> Iterator[Change]:
    if before != now:
        yield Change("data (SHA-256)", _short(before), _short(now))


def _software(recorded: RecordedTrial, experiment: Searchable) -> Iterator[Change]:
    if recorded.versions:
        yield from _differing("", recorded.versions, versions_of(experiment))
    if recorded.platform and recorded.platform != platform_now():
        yield Change("platform", recorded.platform, platform_now())


def _experiment(text: str, told: str, experiment: Searchable) -> Iterator[Change]:
    now = experiment.to_json()
    if now != text:
        before, after = (_texts(json.loads(each)) for each in (text, now))
        yield from _differing("experiment's ", before, after)
    elif told and experiment.hash != told:
        yield Change("experiment.json (SHA-256)", _short(told), _short(experiment.hash))


def _source(recorded: RecordedTrial) -> Iterator[Change]:
    file, before = recorded.source_file, recorded.source
    if file is not None and file.is_file() and before not in (None, file.read_text(errors="replace")):
        yield Change(f"file {file}", "as its copy in MLflow", "another text")


def _params(before: Mapping[str, str], now: Mapping[str, Value]) -> Iterator[Change]:
    yield from _differing("hyperparameter ", before, _texts(now))


def _differing(of: str, before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            yield Change(f"{of}{name}", before.get(name, _ABSENT), now.get(name, _ABSENT))


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _short(digest: str | None) -> str:
    return digest[:_SHOWN] if digest else _ABSENT

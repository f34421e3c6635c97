"""Reads a trial back from MLflow."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from tunelab.credentials import concealed, redacted
from tunelab.errors import ExperimentError, StoreError
from tunelab.tracking.mlflow_names import PLATFORM_TAG, VERSION_TAG
from tunelab.tracking.mlflow_patience import FAILURES
from tunelab.tracking.recorded import RecordedTrial
from tunelab.tracking.saved_view import log_axis
from tunelab.tracking.store_check import is_usable
from tunelab.tracking.tracking_uri import resolve_tracking_uri, sqlite_file
from tunelab.trial import Curve, State

_BAR = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
_NAMED = 5  # trials of a study that a message lists


def read_trial(run_id: str, tracking_uri: str | None) -> RecordedTrial:
    """Return what MLflow holds of a trial; `recorded_trial` says what it raises."""
    uri = resolve_tracking_uri(tracking_uri)
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        raise StoreError(
            f"there is no MLflow store {file}; go to the folder of the study, or name the store: --tracking-uri URI"
        )
    is_usable(uri)
    try:
        return _Reader(MlflowClient(uri), uri).trial(run_id)
    except FAILURES as error:
        told = " ".join(concealed(str(error), uri).split())
        raise StoreError(f"MLflow at {redacted(uri)} cannot tell of the run {run_id!r}: {told}") from error


class _Reader:
    def __init__(self, client: MlflowClient, uri: str) -> None:
        self._client = client
        self._where = f"MLflow at {redacted(uri)}"

    def trial(self, run_id: str) -> RecordedTrial:
        run = self._run(run_id, f"{self._where} has no run {run_id!r}; its page in MLflow shows a trial's run ID")
        tags = run.data.tags
        self._require_trial(run)
        if tags.get("tunelab.state", "running") == "running":
            raise ExperimentError(f"{_title(run)} has not ended yet; reproduce it when it has")
        parent_id = tags.get("mlflow.parentRunId", "")
        gone = f"{self._where} no longer has the run {parent_id!r} of the study, which holds the experiment"
        parent = self._run(parent_id, gone)
        source_file, source = self._source(parent)
        return RecordedTrial(
            run_id=run_id,
            study=tags["tunelab.study"],
            study_run=parent_id,
            number=int(tags["tunelab.trial"]),
            seed=int(tags["tunelab.seed"]),
            state=State(tags["tunelab.state"]),
            reason=tags["tunelab.reason"].partition("\n")[0] if "tunelab.reason" in tags else None,
            params=_params(run),
            curves={name: self._curve(run_id, name) for name in sorted(run.data.metrics)},
            experiment_json=self._experiment(parent),
            experiment_hash=parent.data.tags.get("tunelab.experiment_hash", ""),
            source_file=source_file,
            source=source,
            fingerprint=_fingerprint(parent),
            versions=_versions(parent),
            platform=parent.data.tags.get(PLATFORM_TAG, ""),
        )

    def _run(self, run_id: str, missing: str) -> Run:
        try:
            return self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise StoreError(missing) from None
            raise

    def _require_trial(self, run: Run) -> None:
        tags = run.data.tags
        if "tunelab.study" not in tags:
            raise ExperimentError(
                f"the run {run.info.run_id} is not tunelab's: it was not written by a study of `tunelab run` or "
                "Experiment.run, and does not say what it trained"
            )
        if "tunelab.trial" not in tags:
            raise ExperimentError(
                f"the run {run.info.run_id} is the study {tags['tunelab.study']}, and a trial of it is needed; "
                f"{self._trials(run)}"
            )

    def _trials(self, study: Run) -> str:
        """Return which of a study's runs may be given, the best first."""
        query = f"tags.`mlflow.parentRunId` = '{study.info.run_id}'"
        best = study.data.tags.get("tunelab.best_run")
        found = self._client.search_runs([study.info.experiment_id], query, max_results=1000)
        runs = sorted(found, key=lambda run: (run.info.run_id != best, int(run.data.tags["tunelab.trial"])))
        if not runs:
            return "it has none"
        named = [
            f"trial {run.data.tags['tunelab.trial']}{' (the best)' if run.info.run_id == best else ''} is "
            f"{run.info.run_id}"
            for run in runs[:_NAMED]
        ]
        more = f", and {len(runs) - _NAMED} more" if len(runs) > _NAMED else ""
        return ", ".join(named) + more

    def _curve(self, run_id: str, metric: str) -> Curve:
        """Return a metric's points; of what was logged for one epoch more than once, the last."""
        points = self._client.get_metric_history(run_id, metric)
        values = {point.step: float(point.value) for point in sorted(points, key=lambda point: point.timestamp)}
        epochs = tuple(sorted(values))
        return Curve(epochs, tuple(values[epoch] for epoch in epochs))

    def _experiment(self, study: Run) -> str:
        text = self._text(study, "experiment.json")
        if text is None:
            raise StoreError(
                f"the run {study.info.run_id} of the study {study.data.tags['tunelab.study']} has no experiment.json "
                f"any more in {study.info.artifact_uri}, and nothing else says what was trained"
            )
        return text

    def _source(self, study: Run) -> tuple[Path | None, str | None]:
        """Return the file that the study was started with, if it was with one, and the copy that MLflow has."""
        path = Path(study.data.tags.get("mlflow.source.name", ""))
        kept = {artifact.path for artifact in self._client.list_artifacts(study.info.run_id)}
        if not path.name or path.name not in kept:
            return None, None
        return path, self._text(study, path.name)

    def _text(self, run: Run, name: str) -> str | None:
        """Return an artifact's text; None where there is none of this name."""
        if name not in {artifact.path for artifact in self._client.list_artifacts(run.info.run_id)}:
            return None
        with TemporaryDirectory() as folder, _without_bar():
            return Path(self._client.download_artifacts(run.info.run_id, name, folder)).read_text()


@contextmanager
def _without_bar() -> Iterator[None]:
    """Keep MLflow from drawing a progress bar for a few kilobytes."""
    wanted = os.environ.get(_BAR)
    os.environ[_BAR] = "false"
    try:
        yield
    finally:
        del os.environ[_BAR]
        os.environ.update({} if wanted is None else {_BAR: wanted})


def _title(run: Run) -> str:
    return f"trial {run.data.tags['tunelab.trial']} of {run.data.tags['tunelab.study']}"


def _params(run: Run) -> dict[str, str]:
    """Return the hyperparameters, without the logarithms that are for the charts alone."""
    params = run.data.params
    axes = {log_axis(name) for name in params}
    return {name: value for name, value in params.items() if name not in axes}


def _fingerprint(study: Run) -> str | None:
    for given in study.inputs.dataset_inputs if study.inputs else ():
        found: str | None = json.loads(given.dataset.profile or "{}").get("sha256")
        if found:
            return found
    return None


def _versions(study: Run) -> dict[str, str]:
    return {
        name.removeprefix(VERSION_TAG): version
        for name, version in study.data.tags.items()
        if name.startswith(VERSION_TAG)
    }

"""What MLflow holds of a trial: all that is needed to train it again, and its curves."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tunelab.trial import Curve, State


@dataclass(frozen=True, slots=True)
class RecordedTrial:
    """One trial of a study, as its run and the study's run tell of it.

    Attributes:
        run_id: of the trial's run.
        study: the study's name.
        study_run: of the study's run.
        number, seed: as in `Trial`.
        state: how it ended.
        reason: why, where it did not complete: the first line.
        params: flat hyperparameters, as text.
        curves: every metric over the epochs.
        experiment_json: the experiment of the study.
        experiment_hash: SHA-256 of that JSON when the study began, in hexadecimal.
        source_file: the file that the study was started with by `tunelab run`, wherever it may be now.
        source: the text that this file had.
        fingerprint: of the data; None without any.
        versions: of the software, by distribution; empty in a run that an earlier tunelab wrote.
        platform: what else decides how a number is rounded.
    """

    run_id: str
    study: str
    study_run: str
    number: int
    seed: int
    state: State
    reason: str | None
    params: Mapping[str, str]
    curves: Mapping[str, Curve]
    experiment_json: str
    experiment_hash: str
    source_file: Path | None
    source: str | None
    fingerprint: str | None
    versions: Mapping[str, str]
    platform: str

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"trial {self.number} of {self.study}"

    @property
    def epochs(self) -> int:
        """How far its curves reach."""
        return max((curve.epochs[-1] for curve in self.curves.values()), default=0)


def recorded_trial(run_id: str, tracking_uri: str | None = None) -> RecordedTrial:
    """Return what MLflow holds of a trial. MLflow is imported in this process, which takes a second.

    Args:
        run_id: of the trial's run.
        tracking_uri: where it is; by default `MLFLOW_TRACKING_URI`, else `mlflow.db` in the present folder.

    Raises:
        StoreError: no such store, no such run, or a part of it that is gone.
        ExperimentError: a run that is no trial of tunelab's, or one that has not ended.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, at import and at its queries
        from tunelab.tracking.mlflow_recorded import read_trial

        return read_trial(run_id, tracking_uri)

"""A study's own MLflow run: the parent of its trials' runs, what was asked, what came out, and the view on it all."""

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec
from uuid import NAMESPACE_URL, uuid5

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag, ViewType
from mlflow.tracking.context.registry import resolve_tags

from tunelab.tracking.mirror_state import MirrorState
from tunelab.tracking.mlflow_best_model import log_best_model, register
from tunelab.tracking.mlflow_data import data_input
from tunelab.tracking.mlflow_names import PLATFORM_TAG, VERSION_TAG, accepted_keys, param_text, tag_text
from tunelab.tracking.mlflow_patience import FAILURES, Patience, RefusalError
from tunelab.tracking.mlflow_store import experiment_id
from tunelab.tracking.saved_view import view_tag, view_value
from tunelab.tracking.spool import StudyBegan
from tunelab.trial import State, Summary

P = ParamSpec("P")

_ON_CHILDREN = frozenset({"mlflow.user", "mlflow.source.name", "mlflow.source.type"})


class StudyRun:
    """One study's parent run. Everything here can be done twice."""

    def __init__(self, client: MlflowClient, patience: Patience, state: MirrorState, began: StudyBegan) -> None:
        self._client = client
        self._patience = patience
        self._state = state
        self._began = began
        self._study = began.study
        self._shown: tuple[str, ...] | None = None
        self._context = _context(began)

    @property
    def child_tags(self) -> dict[str, str]:
        """What the trials' runs carry of who runs this; the rest, each tag costing its time, is on the study's."""
        return {name: value for name, value in self._context.items() if name in _ON_CHILDREN}

    def open(self) -> bool:
        """Find the study's run or create it; return whether it was there before. A run that was deleted is restored."""
        state, before = self._state, self._state.run_id
        state.run_id = self._noted()
        if state.run_id:
            return True
        state.experiment_id = self._patience(experiment_id, self._client, self._study.experiment)
        state.run_id = self._patience(self._find)
        if state.run_id:
            return True
        state.run_id = self._patience(self._create)
        for run in (
            self._patience(self._client.search_runs, [state.experiment_id], child_query(before)) if before else ()
        ):
            self._patience(self._client.set_tag, run.info.run_id, "mlflow.parentRunId", state.run_id)
        return before is not None

    def describe(self) -> None:
        """Say what was asked: parameters, data, the experiment and its source."""
        study, run, client = self._study, self._run, self._client
        asked = {
            "objective": study.objective,
            "maximize": study.maximize,
            "seed": study.seed,
            "searched": ", ".join(study.searched),
            **study.settings,
        }
        params = [Param(name, param_text(value)) for name, value in accepted_keys(asked).items()]
        self._request("parameters", client.log_batch, run, params=params)
        self._request("experiment.json", client.log_text, run, study.experiment_json, "experiment.json")
        self._request("its hash", client.log_text, run, study.experiment_hash + "\n", "experiment.sha256")
        if study.source_file and study.source_file.exists():
            self._request("source file", client.log_artifact, run, str(study.source_file))
        if study.data:
            self._request("data set", client.log_inputs, run, [data_input(study.data)])
        self._state.mend("study described")

    def show(self, metrics: Iterable[str]) -> None:
        """Write the saved view, with a curve for each of the metrics; nothing where it is written so already."""
        study, curves = self._study, tuple(metrics)
        if curves == self._shown:
            return
        view = view_value(
            name=study.name,
            parent=self._run,
            objective=next(iter(accepted_keys({study.objective: None}))),
            maximize=study.maximize,
            searched=tuple(accepted_keys(dict.fromkeys(study.searched))),
            shared=tuple(accepted_keys(dict.fromkeys(study.shared))),
            curves=curves,
            at=time.time(),
        )
        tag = view_tag(self._run)
        self._request("saved view", self._client.set_experiment_tag, self._state.experiment_id or "", tag, view)
        self._shown = curves

    def resume(self) -> None:
        """Say that the study goes on."""
        self._request("status", self._client.update_run, self._run, status="RUNNING")
        with suppress(RefusalError):  # where it has none
            self._patience(self._client.delete_tag, self._run, "tunelab.reason")

    def finish(self, summary: Summary, at: float) -> None:
        """Say what came out, give the best trial its model, and end the run."""
        counts = {f"trials_{state}": float(count) for state, count in summary.counts.items()}
        stamp = round(at * 1000)
        metrics = accepted_keys({**counts, **summary.metrics})
        self._request(
            "results",
            self._client.log_batch,
            self._run,
            [Metric(name, value, stamp, 0) for name, value in metrics.items()],
            tags=[RunTag(name, tag_text(value)) for name, value in self._best_tags(summary).items()],
        )
        best = self._state.runs.get(summary.best) if summary.best is not None else None
        if best and summary.weights and summary.weights.exists():
            self._keep_model(best, summary.weights, summary)
        self.end(study_status(summary), at)

    def _keep_model(self, run: str, weights: Path, summary: Summary) -> None:
        """Log the best trial's model, and register it where that is asked for; note what goes wrong with it."""
        try:
            model = self._patience(log_best_model, self._client, run, weights, summary.program)
            if model and summary.register:
                tags = {"tunelab.study": self._study.name, "tunelab.trial": str(summary.best)}
                found = self._patience(register, self._client, run, model, summary.register, tags)
                self._state.registered = found
        except FAILURES:  # the store went away
            raise
        except Exception as error:
            self._state.notes.append(f"MLflow does not have the best trial's model: {type(error).__name__}: {error}")

    def end(self, status: str, at: float, *, reason: str | None = None) -> None:
        """End the run."""
        if reason:
            self._request("reason", self._client.set_tag, self._run, "tunelab.reason", reason)
        self._request("status", self._client.set_terminated, self._run, status, round(at * 1000))

    @property
    def _run(self) -> str:
        return self._state.run_id or ""

    def _best_tags(self, summary: Summary) -> dict[str, object]:
        if summary.best is None:
            return {}
        best = {"tunelab.best_trial": summary.best, "tunelab.best_run": self._state.runs.get(summary.best, "")}
        text = f"Best: trial {summary.best}, {self._study.objective} = {summary.best_value}."
        return {**best, "mlflow.note.content": text}

    def _request(self, what: str, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Ask the store; note what it refuses and go on: one part never hides the others."""
        try:
            self._patience(call, *args, **kwargs)
        except RefusalError as refusal:
            self._state.refused.append(f"the study's {what}: {refusal}")

    def _noted(self) -> str | None:
        """Return the run that an earlier writer noted, if the store has it."""
        if self._state.run_id is None:
            return None
        try:
            run = self._patience(self._client.get_run, self._state.run_id)
        except RefusalError:
            return None
        self._state.experiment_id = str(run.info.experiment_id)  # whatever MLflow's variables say by now
        self._patience(self._restore, run)
        if run.data.tags.get("tunelab.id") != self._identity:  # its spool was lost
            self._patience(self._client.set_tag, run.info.run_id, "tunelab.id", self._identity)
        return str(run.info.run_id)

    def _find(self) -> str | None:
        query = f"tags.`tunelab.id` = '{self._identity}'"
        found = self._client.search_runs([self._state.experiment_id or ""], query, ViewType.ALL, max_results=1)
        for run in found:
            self._restore(run)
        return str(found[0].info.run_id) if found else None

    def delete_doubles(self) -> None:
        """Delete what a request made that came late: another run of this study."""
        query = f"tags.`tunelab.id` = '{self._identity}'"
        for run in self._patience(self._client.search_runs, [self._state.experiment_id or ""], query):
            if run.info.run_id != self._run:
                self._patience(self._client.delete_run, run.info.run_id)
                self._state.mend("double deleted")

    def _restore(self, run: Run) -> None:
        if run.info.lifecycle_stage != "active":
            self._client.restore_run(run.info.run_id)
            self._state.mend("run restored")

    def _create(self) -> str:
        study = self._study
        tags = {
            **self._context,
            "mlflow.runName": study.name,
            "tunelab.id": self._identity,
            "tunelab.study": study.name,
            "tunelab.objective": study.objective,
            "tunelab.direction": "maximize" if study.maximize else "minimize",
            "tunelab.experiment_hash": study.experiment_hash,
            "tunelab.seed": str(study.seed),
            **{VERSION_TAG + name: version for name, version in study.versions.items()},
            **({PLATFORM_TAG: study.platform} if study.platform else {}),
        }
        start = round(self._began.at * 1000)
        run = self._find() or self._client.create_run(self._state.experiment_id or "", start, tags).info.run_id
        return str(run)

    @property
    def _identity(self) -> str:
        """The study's mark in MLflow: folders in different places may hold studies of one name."""
        return str(uuid5(NAMESPACE_URL, f"{self._study.folder}#{self._began.at!r}#{self._study.experiment_hash}"))


def _context(began: StudyBegan) -> dict[str, str]:
    """Return MLflow's user, source and git tags as the engine would have resolved them: the source is its program."""
    sys.argv[0] = str(began.study.source_file or began.source)
    return {name: str(value) for name, value in resolve_tags().items()}


def child_query(run: str) -> str:
    """Return by what MLflow finds the trials' runs of a study's run."""
    return f"tags.`mlflow.parentRunId` = '{run}'"


def study_status(summary: Summary) -> str:
    """Return how a study's run ends: KILLED when interrupted, FAILED when every trial was bad, else FINISHED."""
    if summary.counts.get(State.INTERRUPTED, 0):
        return "KILLED"
    bad = sum(summary.counts.get(state, 0) for state in (State.FAILED, State.DIVERGED))
    return "FAILED" if bad and bad == sum(summary.counts.values()) else "FINISHED"

"""Compares MLflow with a study's spool, and corrects the writer's notes: what differs is then mirrored once more.

The spool is the truth. What MLflow's runs lack is not written here: the trial is taken for one that is not mirrored
yet, and mirroring writes no point that is there.
"""

from collections import defaultdict

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

from tunelab.tracking.mirror_state import MirrorState, Stage
from tunelab.tracking.mlflow_names import tag_text
from tunelab.tracking.mlflow_patience import Patience
from tunelab.tracking.mlflow_study import child_query, study_status
from tunelab.tracking.mlflow_trials import STATUS
from tunelab.tracking.spool import StudyClosed, StudyFinished
from tunelab.tracking.told import Told, ToldTrial
from tunelab.trial import State


def reconcile(client: MlflowClient, patience: Patience, state: MirrorState, told: Told, *, thorough: bool) -> set[int]:
    """Correct `state` by what MLflow shows, and return the trials whose runs are as told.

    Afterwards `state.keep` is where the spool must be read again from. Of two runs of one trial one is kept, and the
    other deleted; a run that somebody deleted is restored.

    Args:
        client: of the store.
        patience: how long it may be silent.
        state: what the writer noted.
        told: the study's spool.
        thorough: count every metric's points, a request each; or else compare what a run shows of its last ones.
    """
    found = _children(client, patience, state)
    kept = {number: _one_run(client, patience, state, runs, state.runs.get(number)) for number, runs in found.items()}
    parent = patience(client.get_run, state.run_id or "")
    ours = (parent, *(run for number, run in kept.items() if number in told.trials))
    left = sum(run.info.status == "RUNNING" and bool(run.data.params) for run in ours)  # without any, it was just made
    state.mended.setdefault("run closed", left)  # when compared again, some may be this writer's own
    settled = {
        number
        for number, trial in told.trials.items()
        if number in kept
        and _is_shown(kept[number], trial)
        and (not thorough or _has_every_point(client, patience, kept[number], trial))
    }
    state.runs = {number: run.info.run_id for number, run in kept.items()}
    state.open = {number for number in kept if number in told.trials and number not in settled} - {
        number for number, run in kept.items() if _goes_on(run, told.trials.get(number))
    }
    state.epochs = {
        number: told.trials[number].epoch for number in settled if told.trials[number].state is State.INTERRUPTED
    }
    _set_bounds(parent, state, told, settled)
    return settled


def _children(client: MlflowClient, patience: Patience, state: MirrorState) -> dict[int, list[Run]]:
    """Return every trial's runs, deleted ones too."""
    found: defaultdict[int, list[Run]] = defaultdict(list)
    query, token = child_query(state.run_id or ""), None
    while True:
        page = patience(
            client.search_runs, [state.experiment_id or ""], query, run_view_type=ViewType.ALL, page_token=token
        )
        for run in page:
            if number := run.data.tags.get("tunelab.trial"):
                found[int(number)].append(run)
        token = page.token
        if not token:
            return found


def _one_run(client: MlflowClient, patience: Patience, state: MirrorState, runs: list[Run], noted: str | None) -> Run:
    """Return the run of a trial that is kept: restored if need be, and the only one that is there."""

    def rank(run: Run) -> tuple[bool, bool, int]:
        return _is_active(run), run.info.run_id == noted, len(run.data.metrics)

    first, *others = sorted(runs, key=rank, reverse=True)
    for other in filter(_is_active, others):
        why = f"a request came twice: this trial is shown in the run {first.info.run_id}"
        patience(client.set_tag, other.info.run_id, "tunelab.reason", why)
        patience(client.delete_run, other.info.run_id)
        state.mend("double deleted")
    if not _is_active(first):
        patience(client.restore_run, first.info.run_id)
        state.mend("run restored")
    return first


def _is_active(run: Run) -> bool:
    return bool(run.info.lifecycle_stage == "active")


def _is_shown(run: Run, told: ToldTrial) -> bool:
    """Whether a run ended as its trial, and shows the last point of each of its metrics."""
    if told.state is None:
        return False
    tags, last = run.data.tags, {metric.key: metric.step for metric in run.data._metric_objs}  # no public one has steps
    return (
        run.info.status == STATUS[told.state]
        and tags.get("tunelab.state") == told.state
        and (told.reason is None or tags.get("tunelab.reason") == tag_text(told.reason))
        and len(run.data.params) >= told.hyperparameters
        and all(last.get(name) == epoch for name, (_, epoch) in told.points.items())
    )


def _has_every_point(client: MlflowClient, patience: Patience, run: Run, told: ToldTrial) -> bool:
    return all(
        len({point.step for point in patience(client.get_metric_history, run.info.run_id, name)}) == count
        for name, (count, _) in told.points.items()
    )


def _goes_on(run: Run, told: ToldTrial | None) -> bool:
    """Whether a trial trains again whose run says that it was interrupted."""
    return told is not None and told.state is None and run.info.status != "RUNNING"


def _set_bounds(parent: Run, state: MirrorState, told: Told, settled: set[int]) -> None:
    """Set from where the spool is read once more, and up to where it says nothing new of the study itself."""
    word = told.last_word
    assert word is not None  # a spool begins with one
    if state.refused or state.notes or not parent.data.params:
        state.read = 0
        state.refused, state.notes = [], []
    state.stage = Stage.READY  # unless nothing is left to say: what is said once more needs an end once more
    due = [trial.line for number, trial in told.trials.items() if number not in settled]
    if isinstance(word.event, StudyFinished | StudyClosed) and state.read >= word.stop:
        is_right = _has_status(parent, word.event)
        if not is_right and parent.info.status != "RUNNING":
            state.mend("study described")
        if due or not is_right:
            state.read = word.start
        else:
            state.stage = Stage.FINISHED if isinstance(word.event, StudyFinished) else Stage.CLOSED
    state.keep = min((state.read, *due))


def _has_status(parent: Run, end: StudyFinished | StudyClosed) -> bool:
    """Whether the study's own run has ended as the study did."""
    expected = study_status(end.summary) if isinstance(end, StudyFinished) else "KILLED"
    return bool(parent.info.status == expected)

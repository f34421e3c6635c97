"""MLflow's saved view of a study: its trials, and charts that compare them, behind one link.

The form is not documented. It was read from MLflow 3.17's page and is tested in a browser; where a later page does not
know it, the link still opens the experiment's runs.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from uuid import NAMESPACE_URL, uuid5

# Name, charts a row, and their height: all three fit on one screen, beside the assistant that MLflow opens.
_SECTIONS = {
    "rates": ("Learning rate and learning", 2, 280),
    "compare": ("How the trials compare", 1, 340),
    "curves": ("Curves", 2, 280),
}


def view_tag(key: str) -> str:
    """Return the experiment tag that holds the view."""
    return f"mlflow.sharedViewState.{key}"


def comparison_path(experiment_id: str, key: str) -> str:
    """Return the view's link, to be put after the address of an MLflow server.

    >>> comparison_path("1", "digits-3")
    '/#/experiments/1/runs?workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey=digits-3'
    """
    query = f"workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey={key}"
    return f"/#/experiments/{experiment_id}/runs?{query}"


def view_value(
    *,
    name: str,
    parent: str,
    objective: str,
    maximize: bool,
    searched: Sequence[str],
    shared: Sequence[str],
    curves: Sequence[str],
    at: float,
) -> str:
    """Return the tag's value.

    Args:
        name: what the page calls the view.
        parent: the parent run's identifier; its children are shown.
        objective: the metric by which they are sorted, the best first; `curves` shows it first.
        maximize: whether more of it is better.
        searched: the parameters that vary: the columns of the table.
        shared: those of them that every trial has: the axes of the parallel coordinates, which MLflow leaves empty
            where no trial has them all.
        curves: the metrics that are drawn over the epochs.
        at: the time of writing, Unix seconds.
    """
    state = {
        "searchFilter": f"tags.`mlflow.parentRunId` = '{parent}'",
        "orderByKey": "metrics.`objective`",
        "orderByAsc": not maximize,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": ["metrics.`objective`", *(f"params.`{name}`" for name in searched)],
        "runsHiddenMode": "SHOWALL",
        "hideEmptyCharts": True,
        "groupBy": None,
        "compareRunCharts": _charts(objective, searched, shared, curves),
        "isAccordionReordered": True,  # or the sections stand in the alphabet's order
        "compareRunSections": [_section(key) for key in _SECTIONS],
    }
    stamp = int(at * 1000)
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    return json.dumps({"name": name, "createdAt": stamp, "updatedAt": stamp, "state": f"deflate;{packed}"})


def _charts(
    objective: str, searched: Sequence[str], shared: Sequence[str], curves: Sequence[str]
) -> list[dict[str, object]]:
    rates = [name for name in searched if is_rate(name)]
    return [
        *(_scatter(log_axis(rate)) for rate in rates),
        _line(objective, "rates"),
        _parallel([log_axis(name) if name in rates else name for name in shared]),
        *(_line(metric, "curves") for metric in curves if metric != objective),
    ]


def is_rate(name: str) -> bool:
    """Whether a hyperparameter is a learning rate."""
    return name.rpartition(".")[2] == "lr"


def log_axis(name: str) -> str:
    """Return under what name a trial carries the logarithm of a learning rate: MLflow's charts have no log axis."""
    return f"log10 {name}"


def _section(key: str) -> dict[str, object]:
    name, columns, height = _SECTIONS[key]
    return {
        "uuid": _uuid(key),
        "name": name,
        "columns": columns,
        "cardHeight": height,
        "display": True,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
    }


def _chart(kind: str, section: str, about: str, **fields: object) -> dict[str, object]:
    return {
        "uuid": _uuid(f"{kind} {about}"),
        "type": kind,
        "metricSectionId": _uuid(section),
        "deleted": False,
        "isGenerated": False,
        **fields,
    }


def _parallel(shared: Sequence[str]) -> dict[str, object]:
    return _chart(
        "PARALLEL",
        "compare",
        "searched",
        runsCountToCompare=200,
        selectedParams=list(shared),
        selectedMetrics=["objective"],
        showAllRuns=True,
    )


def _scatter(rate: str) -> dict[str, object]:
    axes = {"xaxis": {"key": rate, "type": "PARAM"}, "yaxis": {"key": "objective", "type": "METRIC"}}
    return _chart("SCATTER", "rates", rate, runsCountToCompare=200, **axes)


def _line(metric: str, section: str) -> dict[str, object]:
    return _chart(
        "LINE",
        section,
        metric,
        runsCountToCompare=20,
        metricKey=metric,
        selectedMetricKeys=[metric],
        xAxisKey="step",
        scaleType="linear",
        lineSmoothness=0,
        displayPoints=False,
    )


def _uuid(name: str) -> str:
    """Return a fixed identifier, so that writing a view again gives the same one."""
    return str(uuid5(NAMESPACE_URL, f"tunelab/{name}"))

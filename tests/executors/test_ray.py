"""A study on a real Ray cluster of two nodes is the study that worker processes give, also when a node is killed."""

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray_cluster import CPUS, RayCluster, missing, ray_cluster

from tunelab import Experiment
from tunelab.cli.options import where
from tunelab.errors import ExperimentError
from tunelab.executors.ray import Ray
from tunelab.models import Quadratic
from tunelab.tracking import MemoryTracker

REASON = missing()
needs_ray = pytest.mark.skipif(bool(REASON), reason=REASON)

FILE = """
import os
import sys
from pathlib import Path

import numpy as np

from tunelab import Choice, Experiment, Trial, experiment
from tunelab.models import MLP
from tunelab.tracking import MemoryTracker

wine = Experiment(name="wine", data="wine", model=MLP(width=8), optimizer=Choice("sgd", "adam"), epochs=Choice(5, 9))


@experiment(lr=Choice(0.1, 0.2), minimize="loss")
def loop(trial):
    print("trial", trial.number, "trains where", sorted({"optuna", "mlflow"} & set(sys.modules)), "are imported")
    for epoch in range(3):
        yield {"loss": trial.params["lr"] / (1 + epoch)}


def watch(snapshot):
    Path("done").write_text(str(snapshot.done))


def story(study):
    return [[t.trial.number, t.trial.params, t.state, t.value, {n: c.values for n, c in t.curves.items()}]
            for t in study.trials]


if __name__ == "__main__":
    import json
    name, executor, trials = sys.argv[1:]
    study = {"wine": wine, "loop": loop}[name].run(trials=int(trials), executor=executor, workers=2, pruner="median",
                                                   tracker=MemoryTracker(), watch=watch)
    print(json.dumps(story(study)))
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as running:
        yield running


@pytest.fixture
def script(tmp_path: Path) -> str:
    (tmp_path / "study.py").write_text(FILE)
    return "study.py"


def told(cluster: RayCluster, folder: Path, *arguments: str) -> tuple[Any, str]:
    process = cluster.python(*arguments, folder=folder)
    out, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1]), errors


@needs_ray
def test_it_is_the_study_that_processes_give(cluster: RayCluster, script: str, tmp_path: Path) -> None:
    expected, _ = told(cluster, tmp_path, script, "wine", "process", "30")
    found, _ = told(cluster, tmp_path, script, "wine", "ray", "30")
    assert found == expected


@needs_ray
def test_a_loop_prints_on_standard_error_and_pays_for_neither_optuna_nor_mlflow(
    cluster: RayCluster, script: str, tmp_path: Path
) -> None:
    expected, _ = told(cluster, tmp_path, script, "loop", "process", "4")
    found, errors = told(cluster, tmp_path, script, "loop", "ray", "4")
    assert found == expected
    assert re.search(r"trial \d trains where \[\] are imported", errors), errors


@needs_ray
def test_the_command_line_takes_the_room_that_the_cluster_has(cluster: RayCluster, script: str, tmp_path: Path) -> None:
    run = ["-c", "from tunelab.cli import main; main()", "run", f"{script}:wine", "--trials", "6", "--executor", "ray"]
    line, _ = told(cluster, tmp_path, *run, "--worker-cpus", "2", "--json")
    assert line["complete"] == 6
    settings = json.loads((tmp_path / "studies" / "wine-1" / "study.json").read_text())
    assert settings["workers"] == 2 * CPUS // 2


@needs_ray
def test_a_node_that_is_killed_costs_nothing_but_time(cluster: RayCluster, script: str, tmp_path: Path) -> None:
    expected, _ = told(cluster, tmp_path, script, "wine", "process", "150")
    process = cluster.python(script, "wine", "ray", "150", folder=tmp_path)
    (tmp_path / "done").unlink()
    while not (tmp_path / "done").exists() or int((tmp_path / "done").read_text() or 0) < 30:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    cluster.kill_node()
    out, errors = process.communicate(timeout=180)
    cluster.add_node()
    assert process.returncode == 0, errors
    found = json.loads(out.splitlines()[-1])
    assert [trial[0] for trial in found] == list(range(150))
    assert found == expected


@needs_ray
def test_a_cluster_without_room_is_told_and_a_wrong_address_is(
    cluster: RayCluster, script: str, tmp_path: Path
) -> None:
    run = ["-c", "from tunelab.cli import main; main()", "run", f"{script}:wine", "--executor", "ray"]
    wrong = cluster.python(*run, "--address", "127.0.0.1:1", folder=tmp_path)
    _, errors = wrong.communicate(timeout=120)
    assert wrong.returncode == 2, errors
    assert "no Ray cluster answers at '127.0.0.1:1'" in errors
    full = cluster.python(*run, "--worker-gpus", "1", folder=tmp_path)
    _, errors = full.communicate(timeout=120)
    assert full.returncode == 2, errors
    assert "no node of the Ray cluster has 1 CPU and 1 GPU" in " ".join(errors.split())


# ---- without a cluster


@pytest.mark.parametrize(
    ("given", "option"),
    [(("a:1", None, None), "--address"), ((None, 2, None), "--worker-cpus"), ((None, None, 1), "--worker-gpus")],
)
def test_what_only_ray_has_is_refused_elsewhere(given: tuple[Any, Any, Any], option: str) -> None:
    with pytest.raises(ExperimentError, match=f"^{option}: only a Ray cluster has that; add --executor ray"):
        where("process", *given)
    assert where("process", None, None, None) == "process"
    assert where("ray", "a:1", None, 0.5) == Ray("a:1", gpus=0.5)


@pytest.mark.parametrize("fields", [{"cpus": 0}, {"cpus": -1}, {"gpus": -0.5}])
def test_a_worker_that_would_get_nothing_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ExperimentError, match="a worker on Ray needs some of a CPU or a GPU"):
        Ray(**fields)


def test_it_says_how_to_install_ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bowl = Experiment(name="bowl", model=Quadratic(), optimizer="sgd", epochs=1, steps_per_epoch=1)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExperimentError, match=r"Ray cannot be imported .* pip install 'tunelab\[ray\]'"):
        bowl.run(executor="ray", tracker=MemoryTracker(), folder=tmp_path)

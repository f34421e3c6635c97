"""A study on a real Ray cluster of two nodes is the study that worker processes give, also when a node is killed."""

import ast
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from laws.runs import job, varied
from ray_cluster import CPUS, RayCluster, missing, ray_cluster
from study.rig import held

from tunelab import Choice, Experiment, Trial, experiment
from tunelab.cli.options import where
from tunelab.errors import ExperimentError, StoreError
from tunelab.executors.ray import Packed, Ray, Seen, _actor_class, _check_same, versions
from tunelab.models import Quadratic
from tunelab.tracking import MemoryTracker
from tunelab.training.loop_trainer import LoopJob
from tunelab.trial import Orders

REASON = missing()
RESUME = ("-c", "from tunelab.cli import main; main()", "resume")
RUN = ("-c", "from tunelab.cli import main; main()", "run")
needs_ray = pytest.mark.skipif(bool(REASON), reason=REASON)

FILE = """
import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from tunelab import Choice, Experiment, Trial, experiment
from tunelab.models import MLP
from tunelab.tracking import MemoryTracker

wine = Experiment(name="wine", data="wine", model=MLP(width=8), optimizer=Choice("sgd", "adam"), epochs=Choice(5, 9))


@experiment(lr=Choice(0.1, 0.2), minimize="loss")
def loop(trial):
    os.write(1, b"raw bytes on 1\\n")
    subprocess.run(["echo", "from a child"], check=True)
    print("trial", trial.number, "trains where", sorted({"optuna", "mlflow", "ray"} & set(sys.modules)), "are imported")
    for epoch in range(3):
        yield {"loss": trial.params["lr"] / (1 + epoch)}


@experiment(lr=Choice(0.1, 0.2), minimize="loss")
def endless(trial):
    try:
        for _ in range(10_000):
            time.sleep(0.01)
            yield {"loss": 1.0}
    finally:
        print("trial", trial.number, "cleans up")


@experiment(how=Choice("well", "hangs", "eats"), minimize="loss")
def limited(trial):
    yield {"loss": 1.0}
    if trial.params["how"] == "hangs":
        mutex, library = ctypes.create_string_buffer(64), ctypes.CDLL(None)
        library.pthread_mutex_lock(mutex)
        library.pthread_mutex_lock(mutex)  # which no signal ends
    if trial.params["how"] == "eats":
        bytearray(2 * 10**9)
    yield {"loss": 0.5}


LIMITS = {"limited": {"trial_timeout": 1.0, "worker_memory": "1.5GB"}}
ends = []


def watch(snapshot):
    Path("done").write_text(str(snapshot.done))
    if ends and snapshot.done >= 10:
        Path("paused").touch()
        while Path("paused").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), ends[0])
        time.sleep(60)


def story(study):
    return [[t.trial.number, t.trial.params, t.state, t.value, {n: c.values for n, c in t.curves.items()}]
            for t in study.trials]


if __name__ == "__main__":
    import json
    name, executor, trials, workers, *signals = sys.argv[1:]
    ends[:] = map(int, signals)
    study = {"wine": wine, "loop": loop, "limited": limited}[name].run(
        trials=int(trials), executor=executor, workers=int(workers) or None, pruner="median", tracker=MemoryTracker(),
        watch=watch, **LIMITS.get(name, {}),
    )
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
    (line,) = out.splitlines()  # what workers print is not there
    return json.loads(line), errors


@needs_ray
def test_it_is_the_study_that_processes_give(cluster: RayCluster, script: str, tmp_path: Path) -> None:
    expected, _ = told(cluster, tmp_path, script, "wine", "process", "30", "2")
    found, _ = told(cluster, tmp_path, script, "wine", "ray", "30", "2")
    assert found == expected


@needs_ray
def test_a_loop_prints_on_standard_error_and_pays_for_neither_optuna_nor_mlflow(
    cluster: RayCluster, script: str, tmp_path: Path
) -> None:
    expected, _ = told(cluster, tmp_path, script, "loop", "process", "4", "2")
    found, errors = told(cluster, tmp_path, script, "loop", "ray", "4", "2")
    assert found == expected
    for number in range(4):
        assert f"trial {number} trains where [] are imported" in errors
    assert errors.count("raw bytes on 1\n") == errors.count("from a child\n") == 4


@needs_ray
def test_sigterm_stops_a_study_as_it_does_elsewhere_and_what_trains_cleans_up(
    cluster: RayCluster, script: str, tmp_path: Path
) -> None:
    run = [*RUN, f"{script}:endless", "--executor", "ray", "--workers", "1"]
    process = cluster.python(*run, folder=tmp_path)
    rounds = tmp_path / "studies" / "endless-1" / "rounds.jsonl"
    while not rounds.exists() or len(rounds.read_bytes().splitlines()) < 5:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert "trial 0 cleans up" in errors
    assert "tunelab resume endless-1" in errors


@needs_ray
def test_the_command_line_takes_the_room_that_the_cluster_has(cluster: RayCluster, script: str, tmp_path: Path) -> None:
    run = ["-c", "from tunelab.cli import main; main()", "run", f"{script}:wine", "--trials", "6", "--executor", "ray"]
    line, _ = told(cluster, tmp_path, *run, "--worker-cpus", "2", "--json")
    assert line["complete"] == 6
    settings = json.loads((tmp_path / "studies" / "wine-1" / "study.json").read_text())
    assert settings["workers"] == 2 * CPUS // 2


@needs_ray
def test_a_trial_that_hangs_or_needs_too_much_memory_fails_alone(
    cluster: RayCluster, script: str, tmp_path: Path
) -> None:
    found, errors = told(cluster, tmp_path, script, "limited", "ray", "8", "1")
    assert {(params["how"], state) for _, params, state, *_ in found} == {
        ("well", "complete"), ("hangs", "failed"), ("eats", "failed"),
    }  # fmt: skip
    assert (
        "it trained for 1 s without a report, and trial_timeout (--trial-timeout) allows 1 s (study.py, line " in errors
    )
    assert "; a worker may hold 1.5GB (worker_memory, --worker-memory)" in errors


@needs_ray
def test_a_node_that_is_killed_costs_nothing_but_time_though_no_core_is_left_for_its_workers(
    cluster: RayCluster, script: str, tmp_path: Path
) -> None:
    expected, _ = told(cluster, tmp_path, script, "wine", "process", "150", str(2 * CPUS))
    process = cluster.python(script, "wine", "ray", "150", "0", folder=tmp_path)
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
    assert "it shares the cores of others" in errors


@needs_ray
def test_a_study_that_was_cut_off_ends_on_ray_as_it_would_have(
    cluster: RayCluster, script: str, tmp_path: Path
) -> None:
    expected = stored(cluster, tmp_path, script, "wine", "process", "24", "2")
    assert _cut_off(cluster, tmp_path, script, "process", signal.SIGINT) == []
    found = stored(cluster, tmp_path, *RESUME, "wine-2", "--executor", "ray", "--json")
    assert found == expected
    assert cluster.actors() == []


@needs_ray
def test_a_study_on_ray_whose_engine_is_killed_leaves_no_actor_and_goes_on_there(
    cluster: RayCluster, script: str, tmp_path: Path
) -> None:
    expected = stored(cluster, tmp_path, script, "wine", "process", "24", "2")
    assert len(_cut_off(cluster, tmp_path, script, "ray", signal.SIGKILL)) >= 2 * 2  # each actor has a process
    deadline = time.monotonic() + 60
    while cluster.actors():
        assert time.monotonic() < deadline, cluster.actors()
        time.sleep(0.1)
    found = stored(cluster, tmp_path, *RESUME, "wine-2", "--executor", "ray", "--json")
    assert found == expected
    assert cluster.actors() == []


def _cut_off(cluster: RayCluster, folder: Path, script: str, executor: str, how: signal.Signals) -> list[str]:
    """Run a study whose engine gets a signal in the middle; return what ran on the cluster then."""
    process = cluster.python(script, "wine", executor, "24", "2", str(int(how)), folder=folder)
    while not (folder / "paused").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    actors = cluster.actors()
    (folder / "paused").unlink()
    process.communicate(timeout=180)
    assert 10 <= int((folder / "done").read_text()) < 24
    return actors


def stored(cluster: RayCluster, folder: Path, *arguments: str) -> list[Any]:
    """Run a study, and return what Optuna holds of the last in the folder, but for the times."""
    told(cluster, folder, *arguments)
    name = max(path.name for path in (folder / "studies").iterdir())
    trials = held(folder / "studies" / name, name)
    return [(each.number, each.state, each.values, each.params, each.intermediate_values) for each in trials]


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


def test_a_checkpoint_is_read_from_the_studys_own_folder_and_no_other_of_that_name(tmp_path: Path) -> None:
    spare = tmp_path / "spare"
    made = LoopJob(counted, tmp_path / "study")
    seen = Seen.of(made.folder)
    assert Seen.of(made.folder) == seen
    packed = Packed(cloudpickle.dumps(made), seen, spare)
    first, *_ = rounds_of(packed, 3)
    assert (first, where_saved(tmp_path)) == (1, ["study"])
    assert rounds_of(packed, 1) == [4]  # it goes on
    (made.folder / ".study").write_text("another study's")
    assert rounds_of(packed, 1) == [1]
    assert where_saved(tmp_path) == ["spare", "study"]


def test_a_population_keeps_no_checkpoint_where_the_studys_folder_is_not() -> None:
    made = job(varied())
    assert replace(made, checkpoints=Path("/there")).elsewhere(Path("/spare")) == made


def counts(trial: Trial) -> Iterator[dict[str, float]]:
    state = trial.checkpoint.load() or {"n": 0}
    for n in range(state["n"] + 1, 10):
        trial.checkpoint.save(n=n)
        yield {"loss": n}


counted = experiment(lr=Choice(0.1, 0.2), minimize="loss")(counts)


def rounds_of(work: Packed, number: int) -> list[float]:
    """Return the first reports of a trial that is started anew, and is then cut off."""
    worker = work.worker()
    orders = [Orders(start=(Trial(0, 1, {"lr": 0.1}),)), *[Orders()] * (number - 1)]
    return [worker.round(each).reports[0].metrics["loss"] for each in orders]


def where_saved(folder: Path) -> list[str]:
    return sorted({path.relative_to(folder).parts[0] for path in folder.rglob("*.checkpoint")})


def test_a_node_without_this_tunelab_says_so() -> None:
    packed = cloudpickle.dumps(_actor_class())
    ask = "import pickle, sys; sys.modules['tunelab'] = None; print(pickle.load(sys.stdin.buffer)().about())"
    done = subprocess.run([sys.executable, "-c", ask], input=packed, capture_output=True, check=True, timeout=60)
    with pytest.raises(StoreError, match=r"the node .* cannot train: .*tunelab.*; install tunelab 0"):
        _check_same(ast.literal_eval(done.stdout.decode()))


@pytest.mark.parametrize("name", ["python", "tunelab", "numpy"])
def test_a_node_with_another_version_is_refused(name: str) -> None:
    _check_same(versions() | {"host": "other"})
    with pytest.raises(StoreError, match=rf"the node far of the Ray cluster has {name} 0\.0, here it is"):
        _check_same(versions() | {"host": "far", name: "0.0"})


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

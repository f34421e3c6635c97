"""The worker process: the same progress as inline, a clear end whatever happens to it, and nothing left behind."""

import gc
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from laws.runs import drawn, follow, job, varied

import tunelab
from executors import models
from tunelab.errors import WorkerError
from tunelab.executors import process
from tunelab.executors.inline import InlineExecutor
from tunelab.executors.process import ProcessExecutor
from tunelab.experiments import Experiment
from tunelab.models import MLP, Function
from tunelab.space import Choice
from tunelab.training.loop_trainer import LoopJob
from tunelab.trial import Orders, Progress, State, Trial

PLAIN = {"optimizer": "sgd", "optimizer.lr": 0.1, "schedule": "constant", "batch_size": 16, "epochs": 1}
PLAIN |= {"warmup": 0.0, "weight_decay": 0.0, "clip_norm": None}


def experiment(model: Any, **fields: Any) -> Experiment:
    return varied(model=model, optimizer=Choice("sgd"), epochs=1, **fields)


def trials(count: int) -> tuple[Trial, ...]:
    return tuple(Trial(number, number, PLAIN) for number in range(count))


def asked(executor: ProcessExecutor, orders: Orders) -> Progress:
    executor.send(orders)
    return executor.receive()


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that ended and was not waited for (a zombie) counts as left behind."""
    return Path(f"/proc/{pid}").exists()


@pytest.fixture(scope="module")
def sight() -> dict[str, Any]:
    """What a model sees in a worker."""
    with ProcessExecutor(job(experiment(models.Witness()))) as executor:
        (ended,) = asked(executor, Orders(trials(1))).ended
    assert ended.reason is not None
    return json.loads(ended.reason.removeprefix("RuntimeError: "))


def test_a_worker_is_another_process_and_ends_with_its_executor(sight: dict[str, Any]) -> None:
    assert sight["parent"] == os.getpid()
    assert not is_alive(sight["pid"])


@pytest.mark.parametrize(
    "module", ["optuna", "mlflow", "torch", "pandas", "sqlalchemy", "plotly", "rich", "typer", "tunelab.study"]
)
def test_a_worker_imports_nothing_that_only_the_engine_needs(module: str, sight: dict[str, Any]) -> None:
    assert "numpy" in sight["modules"]
    assert [one for one in sight["modules"] if one == module or one.startswith(f"{module}.")] == []


def test_a_worker_has_one_blas_thread_and_leaves_interrupts_to_the_engine(sight: dict[str, Any]) -> None:
    assert set(sight["threads"]) == {1}
    assert sight["group"] == sight["pid"]


def test_a_worker_answers_as_this_process_does_round_by_round() -> None:
    made = varied(batch_size=Choice(16, 31), epochs=Choice(1, 2, 3))
    given = drawn(made, 12, seed=1)
    orders = {0: Orders(tuple(given[:3])), 1: Orders(), 2: Orders(tuple(given[3:]), stop=(1,)), 5: Orders(stop=(4, 77))}

    def stream(executor: Any) -> list[Any]:
        with executor:
            return [
                (p.began, p.reports, [(*_plain(end),) for end in p.ended], p.members, p.capacity)
                for p in follow(executor, orders).progress
            ]

    assert stream(ProcessExecutor(job(made, 4))) == stream(InlineExecutor(job(made, 4)))


def _plain(end: Any) -> tuple[Any, ...]:
    weights = end.weights and {name: value.tolist() for name, value in end.weights.items()}
    return end.trial, end.state, end.epoch, end.step, end.reason, weights


def test_a_worker_is_not_waited_for_when_it_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "command", lambda _: ["sleep", "60"])  # reads nothing
    with _in_time(20), ProcessExecutor(job(experiment(MLP(width=2)))):  # digits, more than a pipe holds
        pass


def test_orders_may_be_sent_far_ahead_and_be_large() -> None:
    made = experiment(MLP(width=2))
    with ProcessExecutor(job(made)) as executor:
        executor.send(Orders(trials(1000)))
        for _ in range(200):
            executor.send(Orders(stop=tuple(range(1000, 3000))))
        progress = [executor.receive() for _ in range(201)]
    ended = [end for one in progress for end in one.ended]
    assert sorted(end.trial for end in ended) == list(range(1000))
    assert {end.state for end in ended} == {State.COMPLETE}


def test_what_a_persons_code_prints_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with ProcessExecutor(job(experiment(models.Talkative()))) as executor:
        progress = asked(executor, Orders(trials(2)))
    assert [end.state for end in progress.ended] == [State.COMPLETE] * 2
    printed = capfd.readouterr()
    assert printed.out == ""
    for line in ("printed", "written", "raw bytes on 1", "from a child"):
        assert line in printed.err


@pytest.mark.parametrize(("how", "code"), [("kill", -9), ("exit", 7)])
def test_a_worker_that_dies_is_an_error_each_time_it_is_asked(how: str, code: int) -> None:
    with ProcessExecutor(job(experiment(models.Fatal(how=how)))) as executor:
        executor.send(Orders(trials(1)))
        with pytest.raises(WorkerError, match=f"ended with code {code}"):
            executor.receive()
        executor.send(Orders(trials(1000)))  # a pipe that nobody reads: neither an error nor a wait
        with pytest.raises(WorkerError, match=f"ended with code {code}"):
            _within(5, executor)


def _within(seconds: int, executor: ProcessExecutor) -> Progress:
    """Receive, or fail the test instead of waiting for ever."""
    with _in_time(seconds):
        return executor.receive()


@contextmanager
def _in_time(seconds: int) -> Iterator[None]:
    def late(*_: Any) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_a_worker_that_is_killed_from_outside_is_an_error() -> None:
    with ProcessExecutor(job(experiment(MLP(width=2)))) as executor:
        asked(executor, Orders())
        executor._worker.kill()
        executor.send(Orders(trials(1)))
        with pytest.raises(WorkerError, match="ended with code -9"):
            _within(5, executor)


def test_a_job_that_a_worker_cannot_read_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    made = experiment(models.Carrier(cargo=models.Unloadable()))
    with ProcessExecutor(job(made)) as executor, pytest.raises(WorkerError, match="ended with code 1"):
        _within(20, executor)
    assert "no module named 'only_here'" in capfd.readouterr().err


@pytest.mark.parametrize("junk", [b"\x80\x05junk", b"cno_such_module\nThing\n.", b"(", b"I1\n.", b"\x80\x05K\x01a."])
def test_an_answer_that_is_none_is_an_error_and_not_a_wait(junk: bytes) -> None:
    read, write = os.pipe()
    with ProcessExecutor(job(experiment(MLP(width=2)))) as executor:
        asked(executor, Orders())
        reader = ProcessExecutor.__new__(ProcessExecutor)
        reader.__dict__.update(executor.__dict__)
        worker = subprocess.Popen(["cat"], stdin=read, stdout=subprocess.PIPE)
        os.close(read)
        reader._worker, reader._note = worker, process._in_memory()
        os.write(write, junk)
        os.close(write)
        reader._read()  # whatever it reads, somebody who waits must hear of it
        assert worker.stdout is not None
        worker.stdout.close()
        worker.wait()
        with pytest.raises(WorkerError):
            _within(5, executor)


def test_close_is_quick_also_in_the_middle_of_a_long_step_and_leaves_nothing() -> None:
    slow = Function(f=models.slow_bowl, start=(1.0,))
    made = varied(data=None, model=slow, optimizer=Choice("sgd"), epochs=1, steps_per_epoch=10_000)
    executor = ProcessExecutor(job(made))
    asked(executor, Orders())
    executor.send(Orders((Trial(0, 0, PLAIN | {"batch_size": 32}),)))
    time.sleep(0.3)
    pid, began = executor._worker.pid, time.perf_counter()
    executor.close()
    assert time.perf_counter() - began < 3
    assert not is_alive(pid)
    executor.close()  # twice is once
    del executor
    gc.collect()  # a pipe left open would warn here, and warnings are errors


def test_the_end_of_a_worker_is_seen_though_a_process_that_it_forked_lives_on() -> None:
    forking = Function(f=models.forking_bowl, start=(1.0,))
    with ProcessExecutor(job(varied(data=None, model=forking, optimizer=Choice("sgd"), steps_per_epoch=1))) as executor:
        executor.send(Orders((Trial(0, 0, PLAIN | {"batch_size": 32}),)))
        with pytest.raises(WorkerError, match="ended with code 3"):
            _within(10, executor)
        _wait_for_the_end_of_all(executor)


def _wait_for_the_end_of_all(executor: ProcessExecutor) -> None:
    """Wait until no process of a worker's group runs: one that is killed takes a moment."""
    until = time.monotonic() + 20
    while left := _group(executor):
        assert time.monotonic() < until, f"{left} run on"
        time.sleep(0.01)


def _group(executor: ProcessExecutor) -> list[int]:
    """Return the processes of a worker's group that run."""
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, group = each.read_text().rpartition(")")[2].split()[:3]
            found += [int(each.parent.name)] if int(group) == executor._worker.pid and state not in "ZX" else []
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
@pytest.mark.parametrize("stubborn", [False, True])
def test_what_a_loop_started_ends_with_the_worker_unless_it_went_its_own_way(stubborn: bool, tmp_path: Path) -> None:
    def starting(trial: Trial) -> Any:
        if os.fork() == 0:
            if stubborn:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            (tmp_path / "began").touch()
            time.sleep(60)
            os._exit(0)
        while not (tmp_path / "began").exists():
            time.sleep(0.01)
        daemon = subprocess.Popen(["sleep", "60"], start_new_session=True)
        yield {"loss": 1.0, "daemon": daemon.pid}

    with ProcessExecutor(loop_job(starting, tmp_path)) as executor:
        executor.send(Orders((Trial(0, 0, {}),)))
        (report,) = _within(20, executor).reports
        assert len(_group(executor)) == 2
    daemon = int(report.metrics["daemon"])
    try:
        _wait_for_the_end_of_all(executor)
        assert is_alive(daemon)
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_a_process_that_a_worker_forked_ends_as_any_other_when_it_is_told_to(capfd: pytest.CaptureFixture[str]) -> None:
    ending = Function(f=models.ending_bowl, start=(1.0,))
    with ProcessExecutor(job(varied(data=None, model=ending, optimizer=Choice("sgd"), steps_per_epoch=1))) as executor:
        executor.send(Orders((Trial(0, 0, PLAIN | {"batch_size": 32}),)))
        (report,) = _within(20, executor).reports
    assert report.metrics["loss"] == -signal.SIGTERM
    assert capfd.readouterr().err == ""


def test_close_is_quick_before_the_worker_has_started() -> None:
    began = time.perf_counter()
    executor = ProcessExecutor(job(experiment(MLP(width=2))))
    executor.send(Orders(trials(5)))
    executor.close()
    assert time.perf_counter() - began < 5
    assert not is_alive(executor._worker.pid)


def test_a_worker_outlives_no_engine(tmp_path: Path) -> None:
    script = tmp_path / "engine.py"
    script.write_text(
        textwrap.dedent("""
        import os, signal, sys
        from tunelab.data.split import Split
        from tunelab.executors.process import ProcessExecutor
        from tunelab.experiments import Experiment
        from tunelab.training.trainer import Job
        from tunelab.trial import Orders
        experiment = Experiment(name="x", model="quadratic", optimizer="sgd")
        executor = ProcessExecutor(Job(experiment, Split.none()))
        executor.send(Orders())
        executor.receive()
        print(executor._worker.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """)
    )
    found = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=30)
    pid, deadline = int(found.stdout), time.perf_counter() + 5
    while _runs(pid) and time.perf_counter() < deadline:
        time.sleep(0.02)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


MAIN = """
import sys
from typing import ClassVar
import numpy as np
from tunelab import Choice, Experiment
from tunelab.contracts import LayerModel, Rule, Schedule
from tunelab.data.split import split
from tunelab.data import Arrays
from tunelab.executors.process import ProcessExecutor
from tunelab.models.layers import Dense, Tanh
from tunelab.training.trainer import Job
from tunelab.trial import Orders, Trial

widen = lambda width: 2 * width

class Halving(Schedule):
    def factor(self, hyper, step, total):
        return 0.5 ** step

class Own(Rule):
    lr: float = 0.1
    slots: ClassVar[tuple[str, ...]] = ("seen",)
    def update(self, xp, theta, grad, slots, k, scratch):
        slots["seen"] += 1
        theta -= k.lr * grad

class Net(LayerModel):
    width: int = 3
    make: object = None
    def layers(self, inputs, outputs):
        return Dense(inputs, self.make(self.width)), Tanh(), Dense(self.make(self.width), outputs)

if __name__ == "__main__":
    random = np.random.default_rng(0)
    data = Arrays(random.normal(size=(40, 3)), random.integers(0, 2, 40))
    experiment = Experiment(name="own", data=data, model=Net(make=widen), optimizer=Own.search(lr=0.1),
                            schedule=Halving(), epochs=2)
    params = {"batch_size": 8, "epochs": 2}
    with ProcessExecutor(Job(experiment, split(data.load()))) as executor:
        executor.send(Orders((Trial(0, 0, params),)))
        for _ in range(2):
            progress = executor.receive() if not _ else (executor.send(Orders()), executor.receive())[1]
    (ended,) = progress.ended
    print(ended.state, sorted((name, value.shape) for name, value in (ended.weights or {}).items()), ended.reason)
"""


def test_classes_and_functions_of_a_script_travel(tmp_path: Path) -> None:
    script = tmp_path / "own.py"
    script.write_text(MAIN)
    found = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    shapes = [("0.bias", (6,)), ("0.weight", (3, 6)), ("2.bias", (2,)), ("2.weight", (6, 2))]
    assert found.stdout.strip() == f"complete {shapes} None", found.stderr


@pytest.mark.parametrize("name", ["pickle.py", "numpy.py", "types.py"])
def test_files_in_the_folder_that_a_person_works_in_do_not_shadow_modules(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("raise RuntimeError('shadowed')\n")
    with ProcessExecutor(job(experiment(MLP(width=2)))) as executor:  # every test's folder is its own
        executor.send(Orders(trials(1)))
        assert _within(20, executor).ended[0].state is State.COMPLETE


def test_records_between_engine_and_worker_are_small() -> None:
    made = varied()
    with InlineExecutor(job(made)) as executor:
        run = follow(executor, {0: Orders(tuple(drawn(made, 16)))})
    largest = max(len(pickle.dumps(one.reports, protocol=5)) / max(len(one.reports), 1) for one in run.progress)
    assert largest < 400, "bytes a report"


def test_a_line_that_is_printed_is_passed_on_at_once_to_whatever_standard_error_is_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.StringIO()
    with ProcessExecutor(job(experiment(models.Talkative()))) as executor:
        monkeypatch.setattr(sys, "stderr", written)
        asked(executor, Orders(trials(1)))
        deadline = time.perf_counter() + 10
        while "from a child\n" not in written.getvalue() and time.perf_counter() < deadline:
            time.sleep(0.01)
        assert "printed\n" in written.getvalue()


def loop_job(function: Any, folder: Path) -> LoopJob:
    return LoopJob(tunelab.experiment(minimize="loss")(function), folder)


def _begun(loop: Any, tmp_path: Path) -> ProcessExecutor:
    """Return what runs a loop that has begun its first trial."""
    executor = ProcessExecutor(loop_job(loop, tmp_path))
    executor.send(Orders((Trial(0, 0, {}),)))
    _wait_for(tmp_path / "started")
    return executor


def test_closing_interrupts_a_loop_in_the_middle_of_an_epoch_so_that_its_finally_runs(tmp_path: Path) -> None:
    def sleeping(trial: Trial) -> Any:
        try:
            (tmp_path / "started").touch()
            time.sleep(300)
            yield {"loss": 1.0}
        finally:
            (tmp_path / "finally").touch()

    executor = _begun(sleeping, tmp_path)
    executor.close()
    assert (tmp_path / "finally").exists()
    assert not is_alive(executor._worker.pid)


def test_a_loop_that_cleans_up_for_long_is_interrupted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "ASKED_AGAIN", 0.1)

    def tidy(trial: Trial) -> Any:
        try:
            (tmp_path / "started").touch()
            time.sleep(300)
            yield {"loss": 1.0}
        finally:
            for _ in range(10):
                time.sleep(0.1)
            (tmp_path / "tidied").touch()

    _begun(tidy, tmp_path).close()
    assert (tmp_path / "tidied").exists()


def test_a_worker_that_was_deaf_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = "import signal, sys, time; heard = []\n"
    deaf += "signal.signal(signal.SIGTERM, lambda *_: heard.append(1) if len(heard) < 2 else sys.exit(7))\n"
    deaf += "print('ready', file=sys.stderr, flush=True); time.sleep(60)"
    monkeypatch.setattr(process, "command", lambda _: [sys.executable, "-c", deaf])
    monkeypatch.setattr(process, "ASKED_AGAIN", 0.1)
    ready = threading.Event()
    executor = ProcessExecutor(job(experiment(MLP(width=2))), lambda _: ready.set())
    assert ready.wait(20)
    executor.close()
    assert executor._worker.returncode == 7


def test_a_loop_that_will_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stubborn(trial: Trial) -> Any:
        (tmp_path / "started").touch()
        while True:
            with suppress(KeyboardInterrupt):
                time.sleep(300)
        yield {"loss": 1.0}

    monkeypatch.setattr(process, "GRACE", 0.3)
    executor = _begun(stubborn, tmp_path)
    executor.close()
    assert not is_alive(executor._worker.pid)


def test_a_loop_that_swallows_the_interrupt_and_goes_on_is_left_after_its_report(tmp_path: Path) -> None:
    def swallowing(trial: Trial) -> Any:
        with suppress(KeyboardInterrupt):
            (tmp_path / "started").touch()
            time.sleep(300)
        try:
            while True:
                yield {"loss": 1.0}
        finally:
            (tmp_path / "finally").touch()

    executor = _begun(swallowing, tmp_path)
    executor.close()
    assert (tmp_path / "finally").exists()
    assert executor._worker.returncode == 0


def _wait_for(path: Path) -> None:
    deadline = time.perf_counter() + 20
    while not path.exists():
        assert time.perf_counter() < deadline, path
        time.sleep(0.01)

"""Train on a Ray cluster: each worker is an actor that holds some CPUs and GPUs of whichever node has them.

Ray is imported when a cluster is wanted, and never starts one: a head node listens on every interface of its machine,
which is its owner's to decide. https://docs.ray.io/en/latest/ray-core/actors.html
"""

import os
import pickle
import platform
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

import cloudpickle

from tunelab.contracts import Executor, Work, Worker
from tunelab.errors import ExperimentError, StoreError, TunelabError, WorkerError
from tunelab.executors.process import GRACE, ProcessExecutor, packed, to_standard_error
from tunelab.executors.team import TeamExecutor
from tunelab.trial import Orders, Progress

REACH = 10.0
"""Seconds that a cluster may take to accept a connection."""

ROOM = 20.0
"""Seconds that a worker may wait for room in the cluster, or take to start, before the engine says so."""

SOON = 3.0
"""The same for a worker that takes a dead one's place, before it shares cores: the study waits for it."""

ENDING = "ending"
"""The group of an actor's methods that run while it trains."""


@dataclass(frozen=True)
class Ray:
    """A Ray cluster, and what each worker gets of it.

    Attributes:
        address: the cluster's, as `ray.init` takes it: `auto` for the one that runs on this machine or that
            `RAY_ADDRESS` names.
        cpus: of each worker. More than one is for PyTorch's threads and a data set's readers: NumPy trains on one.
        gpus: of each worker; a fraction shares one.

    Raises:
        ExperimentError: a worker that would get nothing.
    """

    address: str = "auto"
    cpus: float = 1
    gpus: float = 0

    def __post_init__(self) -> None:
        if self.cpus < 0 or self.gpus < 0 or not (self.cpus or self.gpus):
            raise ExperimentError(
                f"a worker on Ray needs some of a CPU or a GPU, was cpus={self.cpus}, gpus={self.gpus}"
            )

    @property
    def needs(self) -> str:
        """What a worker gets, in words."""
        return f"{self.cpus:g} CPU" + (f" and {self.gpus:g} GPU" if self.gpus else "")

    def workers(self, wanted: int | None) -> int:
        """Return as many as are wanted, or as the cluster's nodes hold when nothing else runs there.

        Raises:
            StoreError: there is no such cluster, or it has no such node.
            ExperimentError: Ray is not installed.
        """
        if wanted:
            return wanted
        ray = _connected(self.address)
        fitting = sum(self._fitting(node["Resources"]) for node in ray.nodes() if node["Alive"])
        if not fitting:
            raise StoreError(f"no node of the Ray cluster has {self.needs}, which a worker is to get; ask for less")
        return fitting

    def check_memory(self, size: str) -> None:
        """Leave it to the nodes: one that cannot limit a worker's memory says so."""

    def team(self, job: Work, workers: int) -> Executor:
        """Return workers on the cluster that train together; one whose node dies is replaced on another.

        The cores that are left may all be taken: the new worker then shares them. GPUs are not shared but waited for.

        Raises:
            StoreError: there is no such cluster.
            ExperimentError: Ray is not installed, or a job cannot travel.
        """
        ray = _connected(self.address)
        held = ray.put(packed(job))  # once, not for every worker
        seen = Seen.of(job.folder) if job.folder else None
        started = count(1)
        return TeamExecutor(lambda: RayExecutor(held, seen, self, replaces=next(started) > workers), workers)

    def _fitting(self, node: dict[str, float]) -> int:
        wanted = {"CPU": self.cpus, "GPU": self.gpus}
        return min(int(node.get(name, 0) // amount) for name, amount in wanted.items() if amount)


class RayExecutor(Executor):
    """Trains in an actor of its own; one that dies stays dead, and whoever asks starts another.

    What the worker prints comes with its answers, and is written to this process's standard error.

    Args:
        job: what to train, packed, in Ray's object store.
        seen: by which a worker knows whether it sees the study's folder.
        place: what the actor gets.
        replaces: whether it takes a dead worker's place. If nobody has room for it, it then shares the cores of others.
    """

    def __init__(self, job: Any, seen: "Seen | None", place: Ray, *, replaces: bool = False) -> None:
        self._ray = _imported()
        self._given, self._place, self._replaces = (job, seen, sys.path), place, replaces
        self._rounds: deque[tuple[Orders, Any]] = deque()
        self._is_ready = False
        self._start(place.cpus)

    def send(self, orders: Orders) -> None:
        """Queue the orders of the next round."""
        self._rounds.append((orders, self._actor.round.remote(orders)))

    def receive(self) -> Progress:
        """Return the progress of the oldest round not received yet.

        Raises:
            TunelabError: the worker cannot train this job.
            WorkerError: the worker, or the node that it ran on, is gone.
        """
        if not self._is_ready:
            self._wait_for_room()
            _check_same(self._got(self._about))
            self._is_ready = True
        answer = pickle.loads(self._got(self._rounds[0][1]))
        to_standard_error(answer.printed)
        if isinstance(answer.found, TunelabError):
            raise answer.found
        self._rounds.popleft()
        progress: Progress = answer.found
        return progress

    def close(self) -> None:
        """End the actor; what runs in it may clean up first."""
        if self._is_ready:
            end = self._actor.end.options(concurrency_group=ENDING)
            with suppress(self._ray.exceptions.RayError):
                to_standard_error(self._ray.get(end.remote(), timeout=2 * GRACE))
        self._kill()

    def _start(self, cpus: float) -> None:
        fixed = {"max_restarts": 0, "max_task_retries": 0, "scheduling_strategy": "SPREAD"}
        actor = self._ray.remote(num_cpus=cpus, num_gpus=self._place.gpus, concurrency_groups={ENDING: 1}, **fixed)
        self._actor = actor(_actor_class()).remote(*self._given)
        self._about = self._actor.about.remote()
        self._rounds = deque((orders, self._actor.round.remote(orders)) for orders, _ in self._rounds)

    def _wait_for_room(self) -> None:
        """Say so if a new worker does not answer: a cluster that is full looks like one that is slow."""
        if self._ray.wait([self._about], timeout=SOON if self._replaces else ROOM)[0]:
            return
        free = self._ray.available_resources()
        then = "it shares the cores of others" if self._replaces else "it is waited for; fewer --workers need less room"
        to_standard_error(
            f"a worker that needs {self._place.needs} has not answered yet; the cluster has "
            f"{free.get('CPU', 0):g} CPU and {free.get('GPU', 0):g} GPU free; {then}\n"
        )
        if self._replaces:
            self._kill()
            self._start(0)

    def _got(self, awaited: Any) -> Any:
        try:
            return self._ray.get(awaited)
        except self._ray.exceptions.RayError as error:
            raise WorkerError(f"a worker on Ray is gone: {str(error).strip().splitlines()[0]}") from error

    def _kill(self) -> None:
        self._ray.kill(self._actor)


@dataclass(frozen=True)
class Seen:
    """By which another machine knows a study's folder from one of the same name.

    Attributes:
        file: in the folder.
        text: what it holds.
    """

    file: Path
    text: str

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Mark a folder, unless it is."""
        file = folder / ".study"
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(secrets.token_hex(16))
        return cls(file, file.read_text())

    @property
    def is_here(self) -> bool:
        """Whether this machine sees the folder."""
        return self.file.is_file() and self.file.read_text() == self.text


@dataclass(frozen=True)
class Packed:
    """A packed job on whichever machine; it is unpacked where it trains, and nowhere else.

    Attributes:
        job: packed.
        seen: by which the study's folder is known here, if it is; None for a job without one.
        spare: a folder in its place, where it is not; it need not exist.
        folder: None: it has no other.
    """

    job: bytes
    seen: Seen | None
    spare: Path
    folder: Path | None = None

    def worker(self, note: int | None = None) -> Worker:
        """Return what trains the job."""
        job: Work = cloudpickle.loads(self.job)
        return (job if self.seen is None or self.seen.is_here else job.elsewhere(self.spare)).worker(note)

    def elsewhere(self, _: Path) -> Self:
        """Return itself: it has settled that."""
        return self


@dataclass(frozen=True)
class Answer:
    """What a worker says to a round: its progress, or why there is none, and what was printed meanwhile."""

    found: Progress | TunelabError
    printed: str


class RayWorker:
    """What runs in the actor: a training process like any other, and what that prints.

    So neither Ray nor anything of the cluster's is in the process that trains, and it has one BLAS thread.

    Args:
        job: what to train, packed.
        seen: by which the study's folder is known here, if it is.
        path: where the engine's process imports from; what is not there on another machine does no harm.
    """

    def __init__(self, job: bytes, seen: Seen | None, path: Sequence[str]) -> None:
        sys.path += [each for each in path if each not in sys.path]
        self._printed: SimpleQueue[str] = SimpleQueue()
        self._is_ending = False
        self._spare = Path(tempfile.gettempdir(), f"tunelab-{secrets.token_hex(16)}")  # made if something is saved
        self._executor = ProcessExecutor(Packed(job, seen, self._spare), self._printed.put)

    def round(self, orders: Orders) -> bytes:
        """Train one round, and return the answer, pickled: Ray's own arrays could not be written to."""
        found: Progress | TunelabError
        try:
            self._executor.send(orders)
            found = self._executor.receive()
        except TunelabError as error:
            error.args = (f"{error} (on {socket.gethostname()})",)
            found = error
        return pickle.dumps(Answer(found, "" if self._is_ending else self._said()), protocol=5)

    def end(self) -> str:
        """Stop training at once, and return what was printed last."""
        self._is_ending = True  # nobody waits for the round that this breaks off
        self._executor.close()
        shutil.rmtree(self._spare, ignore_errors=True)
        return self._said()

    def _said(self) -> str:
        return "".join(self._printed.get() for _ in range(self._printed.qsize()))


def _actor_class() -> Any:
    """Return what becomes an actor. It travels as it is, so that a node without this tunelab can say so."""

    class TunelabWorker:
        def __init__(self, *given: Any) -> None:
            self._given = given
            self._worker: Any = None

        def about(self) -> dict[str, str]:
            """Start to train, and return what is here."""
            try:
                from tunelab.executors.ray import RayWorker, versions
            except ImportError as error:
                import platform

                return {"host": platform.node(), "missing": str(error)}
            self._worker = RayWorker(*self._given)
            return versions()

        def round(self, orders: Any) -> bytes:
            answer: bytes = self._worker.round(orders)
            return answer

        def end(self) -> str:
            return self._worker.end() if self._worker else ""

    return TunelabWorker


def versions() -> dict[str, str]:
    """Return this machine's name, and the versions that a study's machines must share."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    return {"host": socket.gethostname()} | found | {name: version(name) for name in ("tunelab", "numpy")}


def _check_same(there: dict[str, str]) -> None:
    """Raise unless a node can train, and to the same curves."""
    here = versions()
    if "missing" in there:
        raise StoreError(
            f"the node {there['host']} of the Ray cluster cannot train: {there['missing']}; install tunelab "
            f"{here['tunelab']} there, in the environment in which `ray start` ran"
        )
    wrong = [
        f"{name} {there[name]}, here it is {here[name]}"
        for name in here
        if name != "host" and there[name] != here[name]
    ]
    if wrong:
        raise StoreError(
            f"the node {there['host']} of the Ray cluster has {'; '.join(wrong)}: its curves could be others; install "
            "the same versions on every node, and start Ray there anew"
        )


def _imported() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ExperimentError(
            f"Ray cannot be imported ({error}): pip install 'tunelab[ray]', or train in worker processes: "
            "executor='process' (--executor process)"
        ) from error
    return ray


def _knock(address: str) -> None:
    """Raise OSError at once if nothing listens at HOST:PORT, where Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=REACH).close()


def _connected(address: str) -> Any:
    """Return Ray, connected to the cluster; a connection that this process has already is used as it is."""
    ray = _imported()
    if ray.is_initialized():
        return ray
    try:
        _knock(os.environ.get("RAY_ADDRESS", address) if address == "auto" else address)
        with _own_signals():
            ray.init(address=address, logging_level="warning", log_to_driver=False)
    except Exception as error:
        if "ersion mismatch" in str(error):
            raise StoreError(
                f"the Ray cluster at {address!r} has other versions: {' '.join(str(error).split())}"
            ) from error
        raise StoreError(
            f"no Ray cluster answers at {address!r} ({str(error).splitlines()[0]}); "
            "start one (ray start --head), or give its address: --address HOST:PORT"
        ) from error
    return ray


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what SIGTERM does in this process: Ray would have it exit in the middle of a round."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)

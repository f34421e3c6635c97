"""Train on a Ray cluster: each worker is an actor that holds some CPUs and GPUs of whichever node has them.

Ray is imported when a cluster is wanted, and never starts one: a head node listens on every interface of its machine,
which is its owner's to decide. https://docs.ray.io/en/latest/ray-core/actors.html
"""

import os
import socket
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cloudpickle

from tunelab.contracts import Executor, Work
from tunelab.errors import ExperimentError, StoreError, TunelabError, WorkerError
from tunelab.executors.inline import InlineExecutor
from tunelab.executors.process import ONE_THREAD, packed
from tunelab.executors.team import TeamExecutor
from tunelab.trial import Orders, Progress

REACH = 10.0
"""Seconds that a cluster may take to accept a connection."""

ROOM = 20.0
"""Seconds that a worker may wait for room in the cluster, or take to start, before the engine says so."""


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

    def default_workers(self) -> int:
        """Return how many workers the cluster's nodes hold when nothing else runs there.

        Raises:
            StoreError: there is no such cluster, or it has no such node.
            ExperimentError: Ray is not installed.
        """
        ray = _connected(self.address)
        fitting = sum(self._fitting(node["Resources"]) for node in ray.nodes() if node["Alive"])
        if not fitting:
            raise StoreError(f"no node of the Ray cluster has {self.needs}, which a worker is to get; ask for less")
        return fitting

    def team(self, job: Work, workers: int) -> Executor:
        """Return workers on the cluster that train by turns; one whose node dies is replaced on another.

        Raises:
            StoreError: there is no such cluster.
            ExperimentError: Ray is not installed, or a job cannot travel.
        """
        ray = _connected(self.address)
        held = ray.put(packed(job))  # once, not for every worker
        return TeamExecutor(lambda: RayExecutor(held, self), workers)

    def _fitting(self, node: dict[str, float]) -> int:
        wanted = {"CPU": self.cpus, "GPU": self.gpus}
        return min(int(node.get(name, 0) // amount) for name, amount in wanted.items() if amount)


class RayExecutor(Executor):
    """Trains in one actor, one round behind another without waiting for the caller.

    Args:
        job: what to train, packed, in Ray's object store.
        place: what the actor gets.
    """

    def __init__(self, job: Any, place: Ray) -> None:
        self._ray = _imported()
        options = {"num_cpus": place.cpus, "num_gpus": place.gpus, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
        self._actor = self._ray.remote(**options)(RayWorker).remote(job, sys.path)
        self._needs = place.needs
        self._rounds: deque[Any] = deque()
        self._is_ready = False

    def send(self, orders: Orders) -> None:
        """Queue the orders of the next round."""
        self._rounds.append(self._actor.round.remote(orders))

    def receive(self) -> Progress:
        """Return the progress of the oldest round not received yet.

        Raises:
            TunelabError: the worker cannot train this job.
            WorkerError: the worker, or the node that it ran on, is gone.
        """
        self._wait_for_room()
        try:
            progress: Progress = self._ray.get(self._rounds.popleft())
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, TunelabError):
                raise error.cause from None
            raise WorkerError(f"a worker on Ray raised {error.cause!r}") from error
        except self._ray.exceptions.RayError as error:
            raise WorkerError(f"a worker on Ray is gone: {str(error).splitlines()[0]}") from error
        self._is_ready = True
        return progress

    def close(self) -> None:
        """End the actor at once, and give back what it held."""
        self._rounds.clear()
        self._ray.kill(self._actor)

    def _wait_for_room(self) -> None:
        """Say so if a new worker does not answer: a cluster that is full looks like one that is slow."""
        if self._is_ready:
            return
        ready, _ = self._ray.wait([self._rounds[0]], timeout=ROOM)
        if not ready:
            free = self._ray.available_resources()
            print(
                f"a worker that needs {self._needs} has not answered yet; the cluster has "
                f"{free.get('CPU', 0):g} CPU and {free.get('GPU', 0):g} GPU free",
                file=sys.stderr,
            )
            self._is_ready = True  # once is enough


class RayWorker:
    """What runs in the actor: trains the rounds that it is given, on one BLAS thread.

    Args:
        job: what to train, packed.
        path: where the engine's process imports from; what is not there on another machine does no harm.
    """

    def __init__(self, job: bytes, path: Sequence[str]) -> None:
        os.environ.update(ONE_THREAD)
        sys.path += [each for each in path if each not in sys.path]
        sys.stdout = sys.stderr  # the engine's standard output is for results
        self._job = job
        self._executor: InlineExecutor | None = None

    def round(self, orders: Orders) -> Progress:
        """Train one round; the first one also unpacks the job, so that what is wrong with it is told like an error."""
        if self._executor is None:
            self._executor = InlineExecutor(cloudpickle.loads(self._job))
        self._executor.send(orders)
        return self._executor.receive()


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
        ray.init(address=address, logging_level="warning")
    except Exception as error:
        raise StoreError(
            f"no Ray cluster answers at {address!r} ({str(error).splitlines()[0]}); "
            "start one (ray start --head), or give its address: --address HOST:PORT"
        ) from error
    return ray

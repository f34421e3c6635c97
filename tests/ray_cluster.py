"""A Ray cluster of a test's own, where nobody else can reach it: in a network namespace that has loopback only.

Ray listens on every interface of its machine, whatever it is told. Here there is but one, and a token is asked for too.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

PORT = 6379
CPUS = 2
"""Of each node, whatever the machine has."""


def missing() -> str:
    """Return what a cluster needs and this machine does not have; nothing if it has all."""
    if find_spec("ray") is None:
        return "ray is not installed"
    if shutil.which("ip") is None or os.geteuid() != 0:
        return "a network namespace needs the program ip, and root"
    return ""


class RayCluster:
    """Nodes in one namespace; each is started by itself, and can be killed by itself.

    Args:
        namespace: its name.
        folder: where Ray keeps its files; the path is short, since sockets lie in it.
    """

    def __init__(self, namespace: str, folder: Path) -> None:
        self._namespace, self._folder = namespace, folder
        (folder / "token").write_text(secrets.token_hex(32))
        self._nodes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start two nodes."""
        self._start("--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={self._folder}")
        self._wait_for_nodes(1)
        self.add_node()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be let in."""
        own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self._folder / "token")}
        soon = {"RAY_health_check_period_ms": "1000", "RAY_health_check_initial_delay_ms": "1000"}  # missed, if it dies
        return {**os.environ, **own, **soon, "RAY_USAGE_STATS_ENABLED": "0", "MLFLOW_DISABLE_TELEMETRY": "true"}

    def add_node(self) -> None:
        """Start another node, and wait until the cluster knows it."""
        self._start(f"--address=127.0.0.1:{PORT}")
        self._wait_for_nodes(len(self._nodes))

    def kill_node(self) -> None:
        """Kill all processes of the node that was started last."""
        node = self._nodes.pop()
        for process in (node.pid, *_descendants(node.pid)):
            os.kill(process, signal.SIGKILL)
        node.wait()

    def python(self, *arguments: str, folder: Path) -> "subprocess.Popen[str]":
        """Start Python in the namespace, on the machine of the first node."""
        return subprocess.Popen(
            [*self._inside, sys.executable, *arguments],
            cwd=folder,
            env=self.environment | {"RAY_ADDRESS": f"127.0.0.1:{PORT}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def actors(self) -> list[str]:
        """Return what runs as a worker of a study, or was started by one."""
        named = {process: _command(process) for process in self._processes()}
        workers = [process for process, command in named.items() if "TunelabWorker" in command]
        return [_command(each) for worker in workers for each in (worker, *_descendants(worker))]

    def kill(self) -> None:
        """End all that runs in the namespace."""
        for process in self._processes():
            os.kill(process, signal.SIGKILL)
        for node in self._nodes:
            node.wait()

    def _processes(self) -> list[int]:
        found = subprocess.run(["ip", "netns", "pids", self._namespace], capture_output=True, text=True, check=False)
        return list(map(int, found.stdout.split()))

    @property
    def _inside(self) -> list[str]:
        return ["ip", "netns", "exec", self._namespace]

    def _start(self, *options: str) -> None:
        address = f"--node-ip-address=127.0.0.{len(self._nodes) + 1}"
        start = [sys.executable, "-m", "ray.scripts.scripts", "start", address, f"--num-cpus={CPUS}", "--block"]
        log = (self._folder / f"node-{len(self._nodes)}.log").open("wb")
        with log:
            node = subprocess.Popen(
                [*self._inside, *start, "--object-store-memory=100000000", *options],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._nodes.append(node)

    def _wait_for_nodes(self, count: int) -> None:
        look = f"import ray; ray.init('127.0.0.1:{PORT}'); print(sum(node['Alive'] for node in ray.nodes()))"
        deadline = time.monotonic() + 90
        while True:
            asked = self.python("-c", look, folder=self._folder)
            out, errors = asked.communicate(timeout=60)
            if asked.returncode == 0 and int(out.split()[-1]) >= count:
                return
            assert time.monotonic() < deadline, errors
            time.sleep(0.5)


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """Start a cluster of two nodes; remove it, its files and its namespace at the end, come what may."""
    namespace, folder = f"tunelab-{secrets.token_hex(4)}", Path(tempfile.mkdtemp(prefix="tunelab-ray-", dir="/tmp"))
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    try:
        subprocess.run(["ip", "-n", namespace, "link", "set", "lo", "up"], check=True)
        cluster = RayCluster(namespace, folder)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.kill()
    finally:
        subprocess.run(["ip", "netns", "del", namespace], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def _descendants(process: int) -> list[int]:
    """Return the children of a process, and theirs."""
    found = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True, check=False)
    children = list(map(int, found.stdout.split()))
    return [*children, *(each for child in children for each in _descendants(child))]


def _command(process: int) -> str:
    """Return a process's command line; nothing of one that has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""

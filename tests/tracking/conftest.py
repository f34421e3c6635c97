import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_port

from tunelab.tracking.ui import serve

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "true"


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.setenv(name, "")  # noted as absent, so that what mlflow.set_tracking_uri sets is gone afterwards
        monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "studies" / "digits-1"


@pytest.fixture(scope="session")
def server_store(tmp_path_factory: pytest.TempPathFactory, template: Path) -> str:
    file = tmp_path_factory.mktemp("server") / "mlflow.db"
    shutil.copy(template, file)
    return f"sqlite:///{file}"


class Server:
    """A real MLflow server that can be stopped, killed or frozen, and brought back.

    Attributes:
        store: where it keeps its runs.
    """

    def __init__(self, store: str) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.store = store
        self.start()

    def start(self) -> None:
        self._process = serve(self.store, self.port)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._process.wait()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for process in descendants(self._process.pid):
            os.kill(process, number)


def descendants(process: int) -> list[int]:
    """Return a process and all that came of it."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(each for child in children for each in descendants(int(child)))]


@pytest.fixture(scope="session")
def server(server_store: str) -> Iterator[Server]:
    server = Server(server_store)
    yield server
    server.stop()

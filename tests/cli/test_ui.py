"""`tunelab ui`, with a server that only pretends: the real one is tested beside its room."""

import os
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tunelab.cli.commands import app
from tunelab.cli.ui_command import ui_hint
from tunelab.tracking.mirror_state import MirrorState
from tunelab.tracking.spool import SPOOL

PAGE = "/#/experiments/7/runs"
QUERY = "workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey="


class Server:
    """Ends when it is asked to, after a Ctrl-C."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def wait(self) -> int:
        self.calls.append("wait")
        if self.calls == ["wait"]:
            raise KeyboardInterrupt
        return 0

    def terminate(self) -> None:
        self.calls.append("terminate")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pages that were opened in a browser."""
    pages: list[str] = []
    monkeypatch.setattr("webbrowser.open", pages.append)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return pages


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> dict[int, Server]:
    """The servers that were started, by port."""
    servers: dict[int, Server] = {}
    monkeypatch.setattr("tunelab.tracking.ui.serve", lambda uri, port: servers.setdefault(port, Server()))
    return servers


def study_in(tracking_uri: str, folder: Path, *, name: str = "digits-1", ran: int = 0, run: str = "abc") -> None:
    study = folder / name
    study.mkdir(parents=True)
    (study / SPOOL).touch()
    os.utime(study / SPOOL, (ran, ran))
    MirrorState(tracking_uri=tracking_uri, experiment_id="7", run_id=run).save(study)


def test_it_serves_the_comparison_until_ctrl_c(tmp_path: Path, opened: list[str], served: dict[int, Server]) -> None:
    study_in(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "studies")
    done = CliRunner().invoke(app, ["ui"])
    assert done.exit_code == 0, done.output
    ((port, server),) = served.items()
    assert done.stdout.startswith(f"http://127.0.0.1:{port}{PAGE}")
    assert opened == [done.stdout.strip()]
    assert server.calls == ["wait", "terminate", "wait"]


def test_no_browser_and_a_port_of_ones_own(tmp_path: Path, opened: list[str], served: dict[int, Server]) -> None:
    study_in("sqlite:////data/other.db", tmp_path / "here")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        taken.listen()
        arguments = [
            "ui",
            "--no-open",
            "--tracking-uri",
            "sqlite:////data/other.db",
            "--folder",
            "here",
            "--port",
            str(port),
        ]
        refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert f"the port {port} is taken" in refused.stderr
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert list(served) == [port]
    assert opened == []


def test_a_server_that_runs_already_is_only_shown(tmp_path: Path, opened: list[str], served: dict[int, Server]) -> None:
    study_in("http://mlflow.example:5000", tmp_path / "studies")
    done = CliRunner().invoke(app, ["ui", "--tracking-uri", "http://ann:secret@mlflow.example:5000"])
    assert "secret" not in done.output
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"http://mlflow.example:5000{PAGE}")
    assert served == {}


def test_it_opens_the_mlflow_of_the_study_that_ran_last_unless_one_is_given(
    tmp_path: Path, opened: list[str], served: dict[int, Server]
) -> None:
    """Whatever the default is, and whichever study was mirrored last: `sync` mirrors earlier ones too."""
    studies = tmp_path / "studies"
    study_in("http://last:5000", studies, name="wine-2", ran=2, run="last")
    study_in(f"sqlite:///{tmp_path}/mlflow.db", studies, name="wine-1", ran=1, run="first")
    study_in("", studies, name="wine-3", ran=3, run="")
    last = CliRunner().invoke(app, ["ui"])
    assert (last.exit_code, served) == (0, {}), last.output
    assert last.stdout == f"http://last:5000{PAGE}?{QUERY}last\n"
    first = CliRunner().invoke(app, ["ui", "--tracking-uri", "sqlite:///mlflow.db"])
    assert first.stdout.endswith(f"{PAGE}?{QUERY}first\n"), first.output
    assert len(served) == 1
    none = CliRunner().invoke(app, ["ui", "--tracking-uri", "sqlite:///other.db"])
    assert none.exit_code == 2
    assert f"no study in {studies} is in MLflow at sqlite:///{tmp_path}/other.db; make one with" in none.stderr


def test_the_hint_keeps_a_password_to_itself() -> None:
    assert ui_hint(None, Path("studies")) == ["tunelab", "ui"]
    assert ui_hint("postgresql://ann:secret@host/runs", Path("here")) == [
        "tunelab", "ui", "--tracking-uri", "postgresql://host/runs", "--folder", "here"
    ]  # fmt: skip

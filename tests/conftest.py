"""What holds for every test: a folder of its own to write in, one thread, and nothing sent anywhere.

The suite needs PyTorch. With `--without-torch`, which is for an environment that does not have it, whatever imports it
in a test's own file, or is marked `torch`, is skipped, and everything else must pass.
"""

import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Generator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from postgresql import Postgresql

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from threadpoolctl import threadpool_limits

pytest.register_assert_rewrite("laws")


NEEDS_TORCH = "needs torch"
IMPORTS_TORCH = re.compile(
    r"^tests/\S+:\d+: in <module>\n(?:    .*\n)+E   ModuleNotFoundError: No module named 'torch'", re.M
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-torch", action="store_true", help="skip what needs PyTorch, which is not installed")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("without_torch") and find_spec("torch"):
        raise pytest.UsageError("--without-torch: PyTorch is installed here, so this would prove nothing")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if collector.config.getoption("without_torch") and report.failed and IMPORTS_TORCH.search(str(report.longrepr)):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, NEEDS_TORCH)
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items if config.getoption("without_torch") else ():
        if item.get_closest_marker("torch"):
            item.add_marker(pytest.mark.skip(reason=NEEDS_TORCH))


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Of BLAS and of PyTorch: with two, small tests wait for a core that another process has."""
    import numpy as np  # noqa: F401 - the limit reaches only what is loaded

    if torch := sys.modules.get("torch"):  # imported by a test's file, if any needs it
        torch.set_num_threads(1)
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite store of MLflow: making one takes 1.5 s, copying it a few milliseconds."""
    with warnings.catch_warnings():  # MLflow's own, at import
        warnings.simplefilter("ignore", DeprecationWarning)
        from tunelab.tracking.mlflow_store import open_store

        file = tmp_path_factory.mktemp("template") / "mlflow.db"
        open_store(f"sqlite:///{file}")
    return file


@pytest.fixture
def store(tmp_path: Path, template: Path) -> str:
    """The URI of a fresh store in the test's own folder, where a tracker looks without being told."""
    shutil.copy(template, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture(scope="session")
def _postgresql() -> Iterator[Postgresql]:
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:  # not pytest's, which only its user may enter
        server = Postgresql(Path(folder))
        server.start()
        yield server
        if server.is_running:
            server.stop("immediate")


@pytest.fixture
def postgresql(_postgresql: Postgresql) -> Postgresql:
    """A PostgreSQL that runs, with an empty database."""
    if not _postgresql.is_running:  # a test that failed left it so
        _postgresql.start()
    _postgresql.empty()
    return _postgresql

"""What holds for every test: a folder of its own to write in, one BLAS thread, and nothing sent anywhere.

The suite needs PyTorch. With `--without-torch`, which is for an environment that does not have it, whatever imports it
in a test's own file, or is marked `torch`, is skipped, and everything else must pass.
"""

import os
import re
import tempfile
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
def _one_blas_thread() -> Iterator[None]:
    import numpy as np  # noqa: F401 - the limit reaches only what is loaded

    with threadpool_limits(1, "blas"):
        yield


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

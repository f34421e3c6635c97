"""Functions to minimise without data: their minima, their gradients, and a person's own."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from tunelab.backends.tape import PopulationTape
from tunelab.errors import DataError, PluginError
from tunelab.models import MLP, Beale, Branin, Function, Quadratic, Rosenbrock
from tunelab.models.layers import Point
from tunelab.models.losses import Surface

from .rig import MEMBERS, Rig, backend, check_loss, crews, numbers, same_bits


def sphere(point: np.ndarray) -> float:
    return float(point @ point)


def sphere_slope(point: np.ndarray) -> np.ndarray:
    return 2 * point


def pair(point: np.ndarray) -> np.ndarray:
    return point


def name_of_it(point: np.ndarray) -> str:
    return "high"


OWN = Function(f=sphere, gradient=sphere_slope, start=(1.0, 2.0))
DIFFERENCED = Function(f=sphere, start=(1.0, 2.0))
KNOWN = [Quadratic(start=(1.0, 1.0), curvature=(1.0, 50.0)), Rosenbrock(), Beale(), Branin()]
ALL = [*KNOWN, OWN, DIFFERENCED]
each = pytest.mark.parametrize("model", ALL, ids=str)

MINIMA = [
    (Quadratic(start=(1.0, 1.0), curvature=(1.0, 50.0)), (0.0, 0.0), 0.0),
    (Rosenbrock(), (1.0, 1.0), 0.0),
    (Beale(), (3.0, 0.5), 0.0),
    (Branin(), (-np.pi, 12.275), 0.397887),
    (Branin(), (np.pi, 2.275), 0.397887),
    (Branin(), (3 * np.pi, 2.475), 0.397887),
]


@pytest.mark.parametrize(("model", "place", "height"), MINIMA, ids=str)
def test_documented_minimum(model: Any, place: tuple[float, float], height: float) -> None:
    value, gradient = model.value_and_gradient(np, np.array(place)[None, None])
    assert value[0, 0] == pytest.approx(height, abs=5e-7)
    assert gradient == pytest.approx(np.zeros((1, 1, 2)), abs=1e-10)
    around, _ = model.value_and_gradient(np, place + 0.1 * numbers(1, 100, 2))
    assert (around > value).all()


@each
def test_gradient_is_the_central_difference(model: Any) -> None:
    check_loss(model.loss("none"), 2 * numbers(4, 2), np.empty((4, 0)))


@pytest.mark.parametrize("model", KNOWN, ids=str)
def test_gradient_equals_torch_autograd(model: Any) -> None:
    z = 2 * numbers(3, 1, 2)
    leaf = torch.tensor(z, requires_grad=True)
    reference, _ = model.value_and_gradient(torch, leaf)
    reference.sum().backward()
    value, gradient = model.value_and_gradient(np, z)
    np.testing.assert_allclose(value, reference.detach(), rtol=1e-12)
    np.testing.assert_allclose(gradient, leaf.grad, rtol=1e-10, atol=1e-12)


@each
def test_it_runs_on_tensors_as_on_arrays(model: Any) -> None:
    z = numbers(3, 1, 2, dtype="float32")
    for found, wanted in zip(
        model.value_and_gradient(torch, torch.tensor(z)), model.value_and_gradient(np, z), strict=True
    ):
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found, wanted, rtol=1e-4)


@each
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_member_descends_alike_alone_and_among_others(model: Any, dtype: str) -> None:
    layers, loss = model.layers(0, 0), model.loss("none")
    start = numbers(MEMBERS, 2, dtype=dtype)

    def descended(crew: list[int]) -> list[np.ndarray]:
        rig, tape = Rig(layers, start[crew]), PopulationTape(backend(start))
        for _ in range(3):
            losses, dy = loss.gradient(np, rig.forward(None), None, tape)
            rig.backward(dy, wanted=False)
            rig.theta -= np.asarray(1e-3, dtype) * rig.grad
        return [losses, rig.theta, loss.evaluate(np, rig.forward(None), None)["loss"]]

    together = descended(list(range(MEMBERS)))
    for crew in crews():
        for apart, whole in zip(descended(crew), together, strict=True):
            same_bits(apart, whole[crew])


@each
def test_it_is_a_point_on_a_surface(model: Any) -> None:
    assert model.layers(7, 3) == (Point(model.start),)
    assert model.loss("none") == Surface(model)
    assert model.loss("none").metrics == ("loss",)
    (parameter,) = Point(model.start).parameters()
    assert (parameter.shape, parameter.bound, parameter.center) == ((len(model.start),), 0.0, model.start)


@each
def test_data_is_refused(model: Any) -> None:
    with pytest.raises(DataError, match=f"{type(model).__name__} is a function .*drop data"):
        model.loss("classes")


def test_a_network_brings_no_loss() -> None:
    assert MLP().loss("classes") is None


def test_gradient_descent_on_the_bowl_falls_as_documented() -> None:
    model, rate = Quadratic(), 0.01
    rig = Rig(model.layers(0, 0), np.array([model.start]))
    tape = PopulationTape(backend(rig.theta))
    for step in range(200):
        losses, dy = model.loss("none").gradient(np, rig.forward(None), None, tape)
        assert losses[0, 0] == pytest.approx(0.98 ** (2 * step), rel=1e-12)
        rig.backward(dy, wanted=False)
        rig.theta -= rate * rig.grad


def test_one_curvature_serves_all_axes() -> None:
    value, _ = Quadratic(start=(0.0, 0.0, 0.0), curvature=(2.0,)).value_and_gradient(np, np.ones((1, 1, 3)))
    assert value.tolist() == [[6.0]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"start": (1.0, 2.0), "curvature": (1.0, 2.0, 3.0)}, "each of start's 2"),
        ({"start": ()}, "at least 1"),
        ({"start": (np.inf,)}, "finite"),
        ({"curvature": (-1.0,)}, "greater than 0"),
    ],
)
def test_a_bowl_that_makes_no_sense_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        Quadratic(**fields)


def test_a_plane_point_has_two_numbers() -> None:
    with pytest.raises(PluginError, match="start"):
        Rosenbrock(start=(1.0, 2.0, 3.0))


@pytest.mark.parametrize("model", ALL, ids=str)
def test_json_brings_the_same_model_back(model: Any) -> None:
    text = json.dumps(model.model_dump(mode="json"))
    assert type(model)(**json.loads(text)) == model


def test_own_function_is_written_by_name() -> None:
    assert OWN.model_dump(mode="json")["f"] == f"{__name__}:sphere"
    assert Function(f=f"{__name__}:sphere", start=(1.0,)).f is sphere


def test_own_function_must_be_found_again() -> None:
    def inner(point: np.ndarray) -> float:
        return 0.0

    for lost in (lambda point: 0.0, inner):
        with pytest.raises(PluginError, match=r"cannot be found again by its name.*top level of a module"):
            Function(f=lost, start=(1.0,))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("sphere", "must read 'module:name'"),
        ("no_such_module:f", "no function 'no_such_module:f'"),
        (f"{__name__}:no_such_function", "no_such_function"),
        (f"{__name__}:KNOWN", "needs a Python function"),
        (3, "needs a Python function"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(given: Any, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        Function(f=given, start=(1.0,))
    with pytest.raises(PluginError, match=message):
        Function.search(f=given, start=(1.0,))


@pytest.mark.parametrize("wrong", [pair, name_of_it])
def test_own_function_must_return_one_number(wrong: Any) -> None:
    with pytest.raises(PluginError, match="must return one number"):
        Function(f=wrong, start=(1.0, 2.0)).value_and_gradient(np, np.ones((1, 1, 2)))


def test_own_gradient_must_have_the_shape_of_the_point() -> None:
    with pytest.raises(PluginError, match=r"array of shape \(2,\), returned \(\)"):
        Function(f=sphere, gradient=sphere, start=(1.0, 2.0)).value_and_gradient(np, np.ones((1, 1, 2)))


def test_differences_are_accurate_to_1e_9() -> None:
    z = np.array([[[1e-3, 1.0, -1e3]]])
    _, gradient = Function(f=sphere, start=(0.0, 0.0, 0.0)).value_and_gradient(np, z)
    np.testing.assert_allclose(gradient, 2 * z, rtol=1e-9, atol=1e-9 * 2e3)


def test_own_function_sees_float64_and_cannot_move_the_point() -> None:
    z = np.ones((2, 1, 2), np.float32)
    value, gradient = Function(f=f"{__name__}:greedy", start=(1.0, 1.0)).value_and_gradient(np, z)
    assert value.dtype == gradient.dtype == np.float32
    assert (z == 1).all()
    assert value.tolist() == [[2.0], [2.0]]


def greedy(point: np.ndarray) -> float:
    assert point.dtype == np.float64
    height = sphere(point)
    point[:] = 0
    return height

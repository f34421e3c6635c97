"""Plugins that break one law each. They live at the top level of a module, as a plugin that can be saved must."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, PositiveFloat, PrivateAttr

from tunelab.contracts import Array, Dataset, Hyper, Layer, LayerModel, Optimizer, Rule, Schedule, Table, Wrapper
from tunelab.models.layers import Dense, Tanh
from tunelab.space import Float

# ---- optimizers


class Sound(Rule):
    """Momentum, as it should be; each rule below changes one thing."""

    lr: Annotated[PositiveFloat, Float(1e-3, 0.1, log=True)] = 0.05
    beta: Annotated[float, Field(ge=0, lt=1), Float(0.5, 0.95, complement_log=True)] = 0.9
    slots: ClassVar[tuple[str, ...]] = ("velocity",)

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        velocity = slots["velocity"]
        xp.multiply(velocity, k.beta, out=velocity)
        xp.add(velocity, grad, out=velocity)
        xp.multiply(velocity, k.lr, out=scratch)
        xp.subtract(theta, scratch, out=theta)


class NormOfAllMembers(Sound):
    def update(self, xp: Any, theta: Any, grad: Any, slots: Any, k: Any, scratch: Any) -> None:
        grad /= 1 + xp.sqrt(xp.sum(grad * grad))
        super().update(xp, theta, grad, slots, k, scratch)


class CentresAcrossMembers(Wrapper):
    inner: Optimizer = Sound()

    def around(self, step: Any, xp: Any, theta: Any, grad: Any, slots: Any, k: Any, scratch: Any) -> None:
        grad -= grad.mean(axis=0)
        step.inner()


class NormOfAMember(Sound):
    """Right in itself, but it calls itself elementwise."""

    def update(self, xp: Any, theta: Any, grad: Any, slots: Any, k: Any, scratch: Any) -> None:
        grad /= 1 + xp.sqrt(xp.sum(grad * grad, axis=1, keepdims=True))
        super().update(xp, theta, grad, slots, k, scratch)


class RemembersOnItself(Sound):
    _steps: list[int] = PrivateAttr(default_factory=list)

    def update(self, xp: Any, theta: Any, grad: Any, slots: Any, k: Any, scratch: Any) -> None:
        self._steps.append(1)
        grad /= len(self._steps)
        super().update(xp, theta, grad, slots, k, scratch)


class DrawsItsOwnNoise(Sound):
    def update(self, xp: Any, theta: Any, grad: Any, slots: Any, k: Any, scratch: Any) -> None:
        grad += 0.01 * np.random.default_rng().standard_normal(grad.shape).astype(grad.dtype)
        super().update(xp, theta, grad, slots, k, scratch)


class RatesOfTheFirst(Sound):
    def update(self, xp: Any, theta: Any, grad: Any, slots: Any, k: Any, scratch: Any) -> None:
        super().update(xp, theta, grad, slots, Hyper(lr=k.lr[:1], beta=k.beta), scratch)


class DividesByTheGradient(Sound):
    def update(self, xp: Any, theta: Any, grad: Any, slots: Any, k: Any, scratch: Any) -> None:
        grad /= xp.abs(grad)
        super().update(xp, theta, grad, slots, k, scratch)


class Rebinds(Sound):
    def update(self, xp: Any, theta: Any, grad: Any, slots: Any, k: Any, scratch: Any) -> None:
        super().update(xp, theta.copy(), grad, slots, k, scratch)


class KeepsItsOwnRate(Sound):
    def update(self, xp: Any, theta: Any, grad: Any, slots: Any, k: Any, scratch: Any) -> None:
        super().update(xp, theta, grad, slots, Hyper(lr=0.05, beta=k.beta), scratch)


class Climbs(Sound):
    def update(self, xp: Any, theta: Any, grad: Any, slots: Any, k: Any, scratch: Any) -> None:
        super().update(xp, theta, -grad, slots, k, scratch)


class UndeclaredSlot(Sound):
    slots: ClassVar[tuple[str, ...]] = ()


class UnusedSlot(Sound):
    slots: ClassVar[tuple[str, ...]] = ("velocity", "square")


class ReadsScratch(Sound):
    def update(self, xp: Any, theta: Any, grad: Any, slots: Any, k: Any, scratch: Any) -> None:
        grad += 0 * scratch
        super().update(xp, theta, grad, slots, k, scratch)


class DefaultOutsideItsRange(Sound):
    lr: Annotated[PositiveFloat, Float(1e-3, 0.1, log=True)] = 0.5


class Unhashable(Sound):
    groups: list[str] = Field(default_factory=list)


# ---- schedules


class Fall(Schedule):
    """Linear, as it should be; each schedule below changes one thing."""

    final: Annotated[float, Field(ge=0, le=1), Float(0.0, 0.5)] = 0.1

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        return 1 - (1 - hyper.final) * step / total


class TotalOfTheLongest(Fall):
    def factor(self, hyper: Any, step: Any, total: Any) -> Any:
        return super().factor(hyper, step, np.full_like(total, total.max()))


class FieldOfTheFirst(Fall):
    def factor(self, hyper: Any, step: Any, total: Any) -> Any:
        return 1 - (1 - self.final) * step / total


class CountsItsCalls(Fall):
    _calls: list[int] = PrivateAttr(default_factory=list)

    def factor(self, hyper: Any, step: Any, total: Any) -> Any:
        self._calls.append(1)
        return super().factor(hyper, step, total) / len(self._calls)


class FactorOfTheBatchOfSteps(Fall):
    def factor(self, hyper: Any, step: Any, total: Any) -> Any:
        return super().factor(hyper, step - step.min(), total)


class DividesByTheRest(Fall):
    def factor(self, hyper: Any, step: Any, total: Any) -> Any:
        with np.errstate(all="ignore"):
            return hyper.final / (total - step - 1)


class BelowZero(Fall):
    def factor(self, hyper: Any, step: Any, total: Any) -> Any:
        return 1 - 2 * step / total + 0 * hyper.final


class ChangesItsMemory(Fall):
    def memory(self) -> dict[str, float]:
        return {"level": 1.0}

    def observe(self, memory: Any, metrics: Any) -> Any:
        memory["level"] *= 0.5
        return memory


class ForgetsAName(ChangesItsMemory):
    def observe(self, memory: Any, metrics: Any) -> Any:
        return {}


# ---- models


@dataclass(frozen=True)
class Double(Tanh):
    def backward(self, xp: Any, dy: Any, params: Any, grads: Any, tape: Any, wanted: bool) -> Any:
        return 2 * super().backward(xp, dy, params, grads, tape, wanted)


@dataclass(frozen=True)
class NormAcrossMembers(Tanh):
    def forward(self, xp: Any, x: Any, params: Any, tape: Any) -> Any:
        return super().forward(xp, x / (1 + abs(float(np.nan_to_num(x).mean()))), params, tape)


@dataclass(frozen=True)
class InItsInputs(Tanh):
    def forward(self, xp: Any, x: Any, params: Any, tape: Any) -> Any:
        x *= 0.5
        return super().forward(xp, x, params, tape)


@dataclass(frozen=True)
class WithoutBias(Dense):
    def backward(self, xp: Any, dy: Any, params: Any, grads: Any, tape: Any, wanted: bool) -> Any:
        return super().backward(xp, dy, params, {**grads, "bias": grads["bias"].copy()}, tape, wanted)


class OwnNoise(Tanh):
    def forward(self, xp: Any, x: Any, params: Any, tape: Any) -> Any:
        return super().forward(xp, x + np.random.default_rng().standard_normal(x.shape), params, tape)


class Nameless(Tanh):
    """Not equal to another of its kind."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


class Net(LayerModel):
    """Two layers around a third, as it should be; each model below changes one thing."""

    middle: ClassVar[Layer] = Tanh()
    first: ClassVar[type[Dense]] = Dense
    width: int = 4

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        return self.first(inputs, self.width), self.middle, Dense(self.width, outputs)


class WrongGradient(Net):
    middle: ClassVar[Layer] = Double()


class MixesMembers(Net):
    middle: ClassVar[Layer] = NormAcrossMembers()


class NoBiasGradient(Net):
    first: ClassVar[type[Dense]] = WithoutBias


class Noisy(Net):
    middle: ClassVar[Layer] = OwnNoise()


class NeverEqual(Net):
    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        return Dense(inputs, self.width), Nameless(), Dense(self.width, outputs)


class TooManyOutputs(Net):
    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        return super().layers(inputs, outputs + 1)


class ChangesItsInputs(Net):
    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        return InItsInputs(), *super().layers(inputs, outputs)


class AList(Net):
    def layers(self, inputs: int, outputs: int) -> Any:
        return list(super().layers(inputs, outputs))


# ---- data sets


class Rows(Dataset):
    """Forty rows of two classes, as they should be; each data set below changes one thing."""

    noise: float = 0.1

    def x(self) -> Any:
        return np.random.default_rng(0).standard_normal((40, 3)) * (1 + self.noise)

    def load(self) -> Table:
        x = self.x()
        return Table(x, (x[:, 0] > 0).astype(np.int64), "classes", ("no", "yes"), "drawn")


class Shuffles(Rows):
    def x(self) -> Any:
        return np.random.default_rng().permutation(super().x())


KEPT = Rows().load()


class LendsItsRows(Rows):
    def load(self) -> Table:
        return KEPT


class OneMissing(Rows):
    def x(self) -> Any:
        x = super().x()
        x[3, 1] = np.nan
        return x


class WholeNumbers(Rows):
    def x(self) -> Any:
        return super().x().astype(int)


class Images(Rows):
    def x(self) -> Any:
        return super().x()[:, :, None]


class ShapedAmiss(Rows):
    def load(self) -> Table:
        return replace(super().load(), shape=(1, 2, 2))


class HalfSymbols(Rows):
    def load(self) -> Table:
        return replace(super().load(), symbols=3)


class LabelsFromOne(Rows):
    def load(self) -> Table:
        table = super().load()
        return Table(table.x, table.y + 1, "classes", table.classes, table.source)


class FlatValues(Rows):
    def load(self) -> Table:
        table = super().load()
        return Table(table.x, table.x[:, 0], "values", (), table.source)

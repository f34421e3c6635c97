"""One of each kind keeps all the laws of an optimizer."""

import pytest

from tunelab.contracts import Optimizer
from tunelab.testing import OptimizerConformance
from tunelab_pytorch_optimizer import AdaBelief, Lion, Muon, ScheduleFreeAdamW

OPTIMIZERS: list[Optimizer] = [AdaBelief(lr=0.01), Lion(lr=0.01), Muon(), ScheduleFreeAdamW(lr=0.01)]


@pytest.mark.parametrize("one", OPTIMIZERS, ids=lambda one: type(one).__name__)
class TestLaws(OptimizerConformance):
    @pytest.fixture
    def dtype(self) -> str:
        return "float32"

    @pytest.fixture
    def optimizer(self, one: Optimizer) -> Optimizer:
        return one

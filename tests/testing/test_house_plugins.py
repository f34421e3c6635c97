"""tunelab's own plugins keep the laws that it asks of others."""

from collections.abc import Sequence

import pytest
from optimizers.rules import POPULATIONS
from optimizers.tensor_rules import TENSOR_POPULATIONS
from schedules.members import MEMBERS

from tunelab import models, optimizers
from tunelab.contracts import Dataset, Model, Optimizer, Schedule
from tunelab.data import BreastCancer, Diabetes, Digits, Wine
from tunelab.testing import DatasetConformance, ModelConformance, OptimizerConformance, ScheduleConformance
from tunelab.testing.plateau import Plateau

RULES = {name: members[0] for name, members in (POPULATIONS | TENSOR_POPULATIONS).items()}
WRAPPED: dict[str, Optimizer] = {
    "sam": optimizers.SAM(inner=optimizers.Momentum(lr=0.01)),
    "lookahead": optimizers.Lookahead(inner=optimizers.Adam(lr=0.01), every=2),
    "ema": optimizers.EMA(inner=optimizers.Adam(lr=0.01)),
    "swa": optimizers.SWA(inner=optimizers.SGD(lr=0.05)),
    "decay, clipped, muon": optimizers.ClipNorm(inner=optimizers.CoupledDecay(inner=optimizers.Muon())),
    "adam, then sgd": optimizers.Switch(first=optimizers.Adam(lr=0.01), second=optimizers.SGD(lr=0.05)),
}
MODELS: Sequence[Model] = (
    models.MLP(width=5),
    models.MLP(width=3, depth=2, activation="gelu", dropout=0.3, layer_norm=True),
    models.SoftmaxRegression(),
    models.LinearRegression(),
    models.Quadratic(start=(1.0, 2.0), curvature=(1.0, 3.0)),
    models.Rosenbrock(),
    models.Beale(),
    models.Branin(),
    models.Function(f="numpy.linalg:norm", start=(3.0, 4.0)),
    Plateau(),
)


@pytest.mark.parametrize("name", RULES | WRAPPED)
class TestOptimizers(OptimizerConformance):
    @pytest.fixture
    def dtype(self) -> str:
        """One of the two: `tests/laws` trains the house's rules in both."""
        return "float32"

    @pytest.fixture
    def optimizer(self, name: str) -> Optimizer:
        return (RULES | WRAPPED)[name]


@pytest.mark.parametrize("name", MEMBERS)
class TestSchedules(ScheduleConformance):
    @pytest.fixture
    def schedule(self, name: str) -> Schedule:
        return MEMBERS[name][-1]


@pytest.mark.parametrize("one", MODELS, ids=repr)
class TestModels(ModelConformance):
    @pytest.fixture
    def model(self, one: Model) -> Model:
        return one


@pytest.mark.parametrize("one", [Digits(), BreastCancer(), Wine(), Diabetes()], ids=repr)
class TestDatasets(DatasetConformance):
    @pytest.fixture
    def dataset(self, one: Dataset) -> Dataset:
        return one

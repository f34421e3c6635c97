import numpy as np
import pytest
from torch.optim.lr_scheduler import ConstantLR

from tunelab.schedules import Constant

from .factors import TOTALS, alone, torch_factors


@pytest.mark.parametrize("total", TOTALS)
def test_equals_torch(total: int) -> None:
    theirs = torch_factors(lambda optimizer, steps: ConstantLR(optimizer, factor=1.0, total_iters=steps), total)
    np.testing.assert_array_equal(alone(Constant(), total), theirs)


@pytest.mark.parametrize("total", TOTALS)
def test_is_one_throughout(total: int) -> None:
    np.testing.assert_array_equal(alone(Constant(), total), np.ones(total))

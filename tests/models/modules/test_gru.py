import math
from typing import Any

import pytest
import torch
from torch import nn

from tunelab.contracts import Inputs, Outputs
from tunelab.errors import DataError, PluginError
from tunelab.models import GRU
from tunelab.models.modules.gru import GatedLayer
from tunelab.space import Choice, Int

from .laws import TEXT, built, check_members_do_not_meet, check_seed_decides, cross_entropy, learned, rows, size
from .texts import SYMBOLS, verses

VARIANTS = [GRU(width=4), GRU(width=3, depth=2, dropout=0.3), GRU(width=5, depth=3)]
TOLD = [Outputs(7, places=6), Outputs(3)]


@pytest.mark.parametrize("outputs", TOLD, ids=["each place", "the last"])
@pytest.mark.parametrize("model", VARIANTS, ids=repr)
def test_members_do_not_meet(model: GRU, outputs: Outputs) -> None:
    check_members_do_not_meet(model, TEXT, outputs)


def test_the_seed_decides() -> None:
    check_seed_decides(GRU(), TEXT, TOLD[0])


@pytest.mark.parametrize("outputs", TOLD, ids=["each place", "the last"])
@pytest.mark.parametrize("model", [*VARIANTS, GRU()], ids=repr)
def test_parameters_are_those_of_its_formula(model: GRU, outputs: Outputs) -> None:
    w = model.width
    assert size(model, TEXT, outputs) == 7 * w + model.depth * 6 * w * (w + 1) + outputs.count * (w + 1)
    assert built(model, TEXT, outputs)(rows(TEXT)).shape == (5, *outputs.shape)


def test_a_layer_is_that_of_torch() -> None:
    torch.manual_seed(0)
    own, known = GatedLayer(4).double(), nn.GRU(4, 4, batch_first=True).double()
    with torch.no_grad():
        for into, parameter in zip(known.parameters(), own_in_its_order(own), strict=True):
            into.copy_(parameter)
    x = torch.randn(3, 9, 4, dtype=torch.float64)
    torch.testing.assert_close(own(x), known(x)[0], rtol=1e-12, atol=1e-12)


def own_in_its_order(layer: GatedLayer) -> list[Any]:
    return [layer.input.weight, layer.recurrent.weight, layer.input.bias, layer.recurrent.bias]


def test_initial_weights_are_drawn_as_torchs() -> None:
    torch.manual_seed(0)
    own, known = GatedLayer(200), nn.GRU(200, 200)
    for parameter, other in zip(own_in_its_order(own), known.parameters(), strict=True):
        assert parameter.shape == other.shape
        assert parameter.abs().max().item() == pytest.approx(200**-0.5, rel=1e-2)
        assert parameter.std().item() == pytest.approx(other.std().item(), rel=0.1)


def test_no_place_looks_ahead() -> None:
    module, x = built(GRU(depth=2), TEXT, TOLD[0]), rows(TEXT, 1).repeat(6, 1)
    for place in range(6):
        x[place, place] = (x[place, place] + 1) % 7
    plain, changed = module(rows(TEXT, 1))[0], module(x)
    for place in range(6):
        torch.testing.assert_close(changed[place, :place], plain[:place], rtol=1e-12, atol=1e-12)
        assert (changed[place, place:] != plain[place:]).any(-1).all()


def test_the_last_place_alone_is_told_as_among_all() -> None:
    each, last = built(GRU(), TEXT, Outputs(7, places=6)), built(GRU(), TEXT, Outputs(7))
    torch.testing.assert_close(last(rows(TEXT)), each(rows(TEXT))[:, -1], rtol=1e-12, atol=1e-12)


def test_it_learns_a_verse_by_heart() -> None:
    x, y = verses(12)
    torch.manual_seed(0)
    module = GRU(width=32).module(Inputs((12,), len(SYMBOLS)), Outputs(len(SYMBOLS), places=12))
    untrained = math.log(len(SYMBOLS))
    assert learned(module, cross_entropy, x, y, steps=250, lr=0.02) < 0.35 * untrained


def test_a_name_opens_width_and_depth_coarsely() -> None:
    assert GRU.ranges() == {"width": Choice(32, 64, 128), "depth": Int(1, 2)}
    assert GRU.from_trials() == {"width": 10, "depth": 25}


def test_places_that_are_not_those_of_the_row_are_refused() -> None:
    with pytest.raises(DataError, match=r"each of a row's 6 symbols, and this data has 5 a row; give y of shape"):
        GRU().module(TEXT, Outputs(7, places=5))


@pytest.mark.parametrize("wrong", [{"width": 0}, {"depth": 0}, {"dropout": 1.0}])
def test_fields_out_of_bounds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match=next(iter(wrong))):
        GRU(**wrong)

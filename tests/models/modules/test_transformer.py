import math
from typing import Any

import pytest
import torch
from torch.nn import functional

from tunelab.contracts import Inputs, Outputs
from tunelab.errors import DataError, PluginError
from tunelab.models import Transformer
from tunelab.models.modules.transformer import Attention
from tunelab.space import Choice

from .laws import TEXT, built, check_members_do_not_meet, check_seed_decides, cross_entropy, learned, rows, size
from .texts import SYMBOLS, verses

VARIANTS = [
    Transformer(width=4, heads=2, depth=1),
    Transformer(width=6, heads=1, depth=2, dropout=0.3),
    Transformer(width=6, heads=3, depth=3),
]
TOLD = [Outputs(7, places=6), Outputs(3)]


@pytest.mark.parametrize("outputs", TOLD, ids=["each place", "the last"])
@pytest.mark.parametrize("model", VARIANTS, ids=repr)
def test_members_do_not_meet(model: Transformer, outputs: Outputs) -> None:
    check_members_do_not_meet(model, TEXT, outputs)


def test_the_seed_decides() -> None:
    check_seed_decides(Transformer(), TEXT, TOLD[0])


@pytest.mark.parametrize("outputs", TOLD, ids=["each place", "the last"])
@pytest.mark.parametrize("model", [*VARIANTS, Transformer()], ids=repr)
def test_parameters_are_those_of_its_formula(model: Transformer, outputs: Outputs) -> None:
    w = model.width
    block = (3 * w * (w + 1) + w * (w + 1)) + (4 * w * (w + 1) + w * (4 * w + 1)) + 2 * 2 * w
    expected = (7 + 6) * w + model.depth * block + 2 * w + outputs.count * (w + 1)
    assert size(model, TEXT, outputs) == expected
    assert built(model, TEXT, outputs)(rows(TEXT)).shape == (5, *outputs.shape)


def test_no_place_looks_ahead() -> None:
    module, x = built(Transformer(), TEXT, TOLD[0]), rows(TEXT, 1).repeat(6, 1)
    for place in range(6):
        x[place, place] = (x[place, place] + 1) % 7
    plain, changed = module(rows(TEXT, 1))[0], module(x)
    for place in range(6):
        torch.testing.assert_close(changed[place, :place], plain[:place], rtol=1e-12, atol=1e-12)
        assert (changed[place, place:] != plain[place:]).any(-1).all()


def test_the_last_place_alone_is_told_as_among_all() -> None:
    each, last = built(Transformer(), TEXT, Outputs(7, places=6)), built(Transformer(), TEXT, Outputs(7))
    torch.testing.assert_close(last(rows(TEXT)), each(rows(TEXT))[:, -1], rtol=1e-12, atol=1e-12)


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    attention, x = Attention(6, 3, gain=1.0).double(), torch.randn(2, 5, 6, dtype=torch.float64)
    q, k, v = (part.unflatten(-1, (3, 2)).transpose(1, 2) for part in attention.qkv(x).chunk(3, -1))
    seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    expected = attention.out(seen.transpose(1, 2).flatten(2))
    torch.testing.assert_close(attention(x), expected, rtol=1e-12, atol=1e-12)


def test_it_learns_a_verse_by_heart() -> None:
    x, y = verses(12)
    torch.manual_seed(0)
    module = Transformer(width=32, depth=1).module(Inputs((12,), len(SYMBOLS)), Outputs(len(SYMBOLS), places=12))
    untrained = math.log(len(SYMBOLS))
    assert learned(module, cross_entropy, x, y, steps=250, lr=0.01) < 0.35 * untrained


def test_a_name_opens_width_and_depth_coarsely() -> None:
    assert Transformer.ranges() == {"width": Choice(32, 64, 128), "depth": Choice(1, 2, 4)}
    assert Transformer.from_trials() == {"width": 10, "depth": 25}


def test_places_that_are_not_those_of_the_row_are_refused() -> None:
    with pytest.raises(DataError, match=r"each of a row's 6 symbols, and this data has 5 a row; give y of shape"):
        Transformer().module(TEXT, Outputs(7, places=5))


@pytest.mark.parametrize("wrong", [{"heads": 3}, {"heads": 0}, {"width": 0}, {"depth": 0}, {"dropout": 1.0}])
def test_fields_out_of_bounds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match=next(iter(wrong))):
        Transformer(**wrong)

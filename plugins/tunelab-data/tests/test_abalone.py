import numpy as np

from tunelab_data import Abalone


def test_every_shell_has_one_sex() -> None:
    sexes = Abalone().load().x[:, :3]
    assert sexes.sum(axis=0).tolist() == [1307, 1342, 1528]
    assert (sexes.sum(axis=1) == 1).all()


def test_a_straight_line_explains_half_of_the_rings() -> None:
    table = Abalone().load()
    rings = table.y[:, 0]
    solution, *_ = np.linalg.lstsq(table.x, rings)
    left = np.var(rings - table.x @ solution) / np.var(rings)
    assert 0.44 < left < 0.48

"""Functions to minimise that misbehave below 0.5: `f(x) = x^2` from 1, or trouble."""

import math

import numpy as np


def bowl(point: np.ndarray) -> float:
    return float(point @ point)


def slope(point: np.ndarray) -> np.ndarray:
    return 2 * point


def undefined_below_half(point: np.ndarray) -> float:
    return math.nan if point[0] < 0.5 else bowl(point)


def infinite_below_half(point: np.ndarray) -> float:
    return math.inf if point[0] < 0.5 else bowl(point)


def minus_infinite_below_half(point: np.ndarray) -> float:
    return -math.inf if point[0] < 0.5 else bowl(point)


def raises_below_half(point: np.ndarray) -> float:
    if point[0] < 0.5:
        raise ZeroDivisionError(f"no value at {point[0]:.3f}")
    return bowl(point)


def lacks_memory_below_half(point: np.ndarray) -> float:
    if point[0] < 0.5:
        raise MemoryError
    return bowl(point)


def always_raises(point: np.ndarray) -> float:
    raise ZeroDivisionError("no value anywhere")


def plain(point: np.ndarray) -> float:
    """A slope without end: 1e4 x."""
    return 1e4 * float(point[0])


def plain_slope(point: np.ndarray) -> np.ndarray:
    return np.array([1.0])

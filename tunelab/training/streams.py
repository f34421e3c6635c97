"""Random numbers: a stream for each purpose, a function of a trial's seed and epoch alone.

Philox is counter-based: streams of different keys or counters never meet (Salmon et al., 2011).
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for."""

    WEIGHTS = 0
    ORDER = 1
    NOISE = 2
    PROBE = 3
    ITEMS = 4


def stream(seed: int, purpose: Purpose, time: int = 0) -> np.random.Generator:
    """Return the stream of a trial's seed for one purpose at one time: an epoch, or a step.

    >>> bool(stream(7, Purpose.ORDER, 3).random() == stream(7, Purpose.ORDER, 3).random())
    True
    """
    return np.random.Generator(np.random.Philox(key=np.array([seed, purpose], np.uint64), counter=[0, 0, 0, time]))

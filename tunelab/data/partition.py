"""Which row belongs to which part."""

import numpy as np

from tunelab.errors import DataError

PARTS = ("train", "validation", "test")

_LEAST = 1e-9  # A smaller share is a rounding error: 1 - 0.7 - 0.3 is 6e-17.


def partition(groups: np.ndarray, *, validation: float, test: float, seed: int) -> tuple[np.ndarray, ...]:
    """Return the rows of the training, validation and test part, shuffled: disjoint, and together all rows.

    Every group keeps its share to within one row in each part. A group with too few rows for all parts goes to the
    training part first: what was never trained on cannot be predicted.

    Args:
        groups: each row's class `(rows,)`, integer; all zero where there are none.
        validation, test: shares of the rows, 0 to 1; the rest is trained on.
        seed: decides which rows.

    Raises:
        DataError: shares outside [0, 1) or that leave nothing to train on, or a share that no row falls into.

    >>> train, validation, test = partition(np.array([0, 0, 0, 0, 1, 1, 1, 1]), validation=0.25, test=0.25, seed=0)
    >>> len(train), len(validation), len(test)
    (4, 2, 2)
    """
    for name, share in (("validation", validation), ("test", test)):
        if not 0 <= share < 1:
            raise DataError(f"{name} must be a share of the rows, at least 0 and below 1 (such as 0.2), was {share}")
    if 1 - validation - test < _LEAST:
        raise DataError(f"validation={validation} and test={test} leave no rows to train on; their sum must be below 1")
    shares = np.array([1 - validation - test, validation, test])
    counts = _counts(np.unique(groups, return_counts=True)[1], shares)
    for name, share, count in zip(PARTS, shares, counts.sum(axis=0), strict=True):
        if share > 0 and not count:
            classes = f" in {len(counts)} classes" if len(counts) > 1 else ""
            raise DataError(
                f"{name}={share:.3g} of {len(groups)} rows{classes} leaves the {name} part empty; "
                "raise that share or bring more rows"
            )
    order = np.random.default_rng(seed).permutation(len(groups))
    by_group = order[np.argsort(groups[order], kind="stable")]
    part = np.empty(len(groups), dtype=np.int64)
    part[by_group] = np.repeat(np.tile(np.arange(3), len(counts)), counts.ravel())
    return tuple(order[part[order] == i] for i in range(3))


def _counts(sizes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Round sizes x shares down or up `(groups, 3)`: up in the part that is furthest below its share so far."""
    exact = np.round(np.outer(sizes, shares), 9)
    counts = np.floor(exact).astype(np.int64)
    due = np.zeros(3)
    for size, want, got in zip(sizes, exact, counts, strict=True):
        due += want - got
        for _ in range(size - got.sum()):
            part = int(np.argmax(np.where(want > got, due, -np.inf))) if got[0] else 0
            got[part] += 1
            due[part] -= 1
    return counts

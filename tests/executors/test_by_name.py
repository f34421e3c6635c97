"""Where a study trains, by name."""

import os

from tunelab.executors.by_name import default_workers


def test_one_core_is_left_for_the_engine() -> None:
    assert default_workers("process") == max(1, len(os.sched_getaffinity(0)) - 1)
    assert default_workers("inline") == 1

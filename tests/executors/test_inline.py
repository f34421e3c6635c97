"""The inline executor: a round is trained when its progress is received, on one BLAS thread."""

from typing import Any

import numpy as np
import pytest
from laws.runs import drawn, job, varied
from threadpoolctl import threadpool_info, threadpool_limits

from tunelab.contracts import Layer
from tunelab.executors.inline import InlineExecutor
from tunelab.models import MLP
from tunelab.trial import Orders


class Counting(MLP):
    """A network that fails with the number of BLAS threads."""

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        raise RuntimeError(str([one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]))


def test_orders_are_taken_in_turn_when_progress_is_received() -> None:
    made = varied(epochs=1)
    first, second = drawn(made, 2)
    executor = InlineExecutor(job(made, 1))
    executor.send(Orders((first,)))
    executor.send(Orders((second,)))
    assert executor.receive().began == (0,)
    assert executor.receive().began == (1,)


def test_what_is_queued_is_forgotten_on_close() -> None:
    executor = InlineExecutor(job(varied()))
    executor.send(Orders())
    executor.close()
    with pytest.raises(IndexError):
        executor.receive()


def test_training_has_one_blas_thread_whatever_is_set_and_sets_it_back() -> None:
    def threads() -> list[int]:
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    made: Any = varied(model=Counting())
    with threadpool_limits(2, "blas"):
        before = threads()
        executor = InlineExecutor(job(made))
        executor.send(Orders(tuple(drawn(made, 1))))
        reason = executor.receive().ended[0].reason
        assert threads() == before
    assert reason is not None
    assert set(reason.removeprefix("RuntimeError: ")) <= set("[1, ]")


def test_numpys_error_state_is_as_it_was_after_a_round() -> None:
    made = varied(optimizer="sgd")
    before = np.geterr()
    executor = InlineExecutor(job(made))
    executor.send(Orders(tuple(drawn(made, 2))))
    executor.receive()
    assert np.geterr() == before

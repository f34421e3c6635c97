"""Train in this process: no start-up, nothing in parallel; the same study as any other executor gives."""

from collections import deque

from threadpoolctl import ThreadpoolController

from tunelab.contracts import Executor, Work
from tunelab.trial import Orders, Progress


class InlineExecutor(Executor):
    """Trains when its progress is received.

    Args:
        job: what to train.
    """

    def __init__(self, job: Work) -> None:
        self._worker = job.worker()
        self._orders: deque[Orders] = deque()
        self._threads = ThreadpoolController()

    def send(self, orders: Orders) -> None:
        """Queue the orders of the next round."""
        self._orders.append(orders)

    def receive(self) -> Progress:
        """Train the oldest round not trained yet, on one BLAS thread: more would change the last bit."""
        with self._threads.limit(limits=1, user_api="blas"):
            return self._worker.round(self._orders.popleft())

    def close(self) -> None:
        """Forget what is queued, and let go of what trains."""
        self._orders.clear()
        self._worker.close()

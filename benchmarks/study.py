"""One tunelab study in a process of its own, as the rows need it that the command line cannot run.

    python -m benchmarks.study digits --trials 200 --tracker memory

Prints one JSON object. With `--engine-cost`, also what the engine did beside waiting for its worker, round by round.
"""

# ruff: noqa: E402 (what the imports cost is part of what is measured)

import time

STARTED = time.time()

import argparse
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import experiments
from tunelab.contracts import Executor, Work
from tunelab.executors.by_name import Processes
from tunelab.executors.process import ProcessExecutor
from tunelab.executors.team import TeamExecutor
from tunelab.study import Snapshot
from tunelab.tracking import MemoryTracker
from tunelab.trial import Progress

EXPERIMENTS = ("digits", "module", "coarse", "structure", "tiny", "few_reports", "many_reports")


STATM = Path("/proc/self/statm")
PAGE_MB = resource.getpagesize() / 2**20


class EngineCost:
    """What the engine's process spent by the end of each round, its waiting left out, and the memory that it had."""

    def __init__(self) -> None:
        self.rounds: list[tuple[int, float, float, float]] = []
        self._waited = 0.0

    def watch(self, progress: Snapshot) -> None:
        """Note trials ended, wall seconds without waiting, CPU seconds of all threads of this process, and its MB."""
        resident = int(STATM.read_text().split()[1]) * PAGE_MB
        self.rounds.append((progress.done, time.perf_counter() - self._waited, time.process_time(), resident))

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count what happens inside as waiting."""
        began = time.perf_counter()
        yield
        self._waited += time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--pruner", default="none")
    parser.add_argument("--population", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--tracker", choices=("mlflow", "memory"), default="mlflow")
    parser.add_argument("--engine-cost", action="store_true")
    args = parser.parse_args()
    cost = EngineCost()

    class Timed(TeamExecutor):
        def receive(self) -> Progress:
            with cost.waiting():
                return super().receive()

    class TimedProcesses(Processes):
        def team(self, job: Work, workers: int) -> Executor:
            return Timed(lambda: ProcessExecutor(job), workers)

    study = getattr(experiments, args.experiment).run(
        trials=args.trials,
        seed=args.seed,
        sampler=args.sampler,
        pruner=args.pruner,
        population=args.population,
        workers=args.workers,
        executor=TimedProcesses() if args.engine_cost else "process",
        search="all",
        tracker=MemoryTracker() if args.tracker == "memory" else None,
        watch=cost.watch,
    )
    found = {
        "trials": len(study.trials),
        "best_value": study.best.value if study.best else None,
        "first_trial_s": min(trial.started + trial.seconds for trial in study.trials) - STARTED,
        "loop_s": study.progress.seconds,
        "fullness": study.progress.fullness,
        "sharing": study.progress.sharing,
        "reports": sum(len(next(iter(trial.curves.values())).epochs) for trial in study.trials),
    }
    print(json.dumps(found | ({"rounds": cost.rounds} if args.engine_cost else {})))


if __name__ == "__main__":
    main()

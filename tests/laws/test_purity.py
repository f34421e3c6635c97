"""Purity: a trial is a function of experiment, hyperparameters and seed: in any process, at any time."""

import json
import os
import subprocess
import sys
from pathlib import Path

from laws.checks import same
from laws.runs import Run, drawn, follow, job, train, varied
from tunelab.executors.process import ProcessExecutor
from tunelab.models import MLP
from tunelab.space import Choice, Float
from tunelab.trial import Orders

TESTS = Path(__file__).parents[1]
SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from laws.test_purity import mixed
from laws.runs import drawn, train
run = train(mixed(), drawn(mixed(), 8, seed=12), population=5)
print(json.dumps([run[number].curve for number in range(8)]))
"""


def mixed() -> object:
    model = Choice(MLP.search(width=8, depth=1, dropout=Float(0.1, 0.5)), "softmax-regression")
    return varied(model=model, batch_size=Choice(16, 31))


def test_twice_in_this_process() -> None:
    trials = drawn(mixed(), 8, seed=12)
    same(train(mixed(), trials).outcomes, train(mixed(), trials), range(8))


def test_in_a_worker_process() -> None:
    trials = drawn(mixed(), 8, seed=12)
    with ProcessExecutor(job(mixed(), 5)) as executor:
        found: Run = follow(executor, {0: Orders(tuple(trials))})
    here = train(mixed(), trials, population=5)
    same(here.outcomes, found, range(8))
    assert _without_time(here) == _without_time(found), "the very same progress, round by round"


def _without_time(run: Run) -> list[object]:
    return [
        (one.began, one.reports, [(e.trial, e.state, e.epoch, e.step) for e in one.ended], one.members, one.capacity)
        for one in run.progress
    ]


def test_in_fresh_processes_that_hash_differently() -> None:
    here = train(mixed(), drawn(mixed(), 8, seed=12))
    for hash_seed in ("1", "4242"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "OPENBLAS_NUM_THREADS": "2"}
        command = [sys.executable, "-c", SCRIPT, str(TESTS)]
        found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert found.returncode == 0, found.stderr
        assert json.loads(found.stdout) == [here[number].curve for number in range(8)]

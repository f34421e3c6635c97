"""Rounds come back from the disk as they were."""

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tunelab.study.rounds import ROUNDS, Round, Rounds, decode, encode
from tunelab.trial import Ended, Progress, Report, State

PROGRESS = Progress(
    began=(3, 4),
    reports=(Report(3, 1, 20, {"loss": 0.1 + 0.2, "val_loss": math.inf}), Report(4, 7, 140, {"loss": 1e-300})),
    ended=(Ended(5, State.DIVERGED, 2, 31, 'loss was "nan"\nat step 31'), Ended(6, State.COMPLETE, 7, 140)),
    again=(3, 4),
    apart=(3, 4, 7),
    spared=(3,),
    alone=((3, "their batches differ"),),
    members=2,
    capacity=16,
    work=0.1,
    seconds=0.25,
    notes=("trials train one at a time: why",),
)


def test_a_round_comes_back_bit_for_bit(tmp_path: Path) -> None:
    rounds = Rounds(tmp_path)
    rounds.append(PROGRESS, 1795628879.9760802)
    rounds.append(Progress(), 2.0)
    assert list(rounds.known()) == [Round(PROGRESS, 1795628879.9760802), Round(Progress(), 2.0)]


def test_a_line_of_an_earlier_version_says_nothing_of_what_is_told_since() -> None:
    line = json.loads(encode(Round(PROGRESS, 1.0)))
    for name in ("again", "apart", "spared", "alone", "work"):
        del line[name]
    known = replace(PROGRESS, again=(), apart=(), spared=(), alone=(), work=0.0)
    assert decode(json.dumps(line).encode()).progress == known


def test_a_new_study_knows_none(tmp_path: Path) -> None:
    assert list(Rounds(tmp_path).known()) == []


def test_a_torn_line_is_cut_off_so_that_the_next_stands_alone(tmp_path: Path) -> None:
    rounds = Rounds(tmp_path)
    rounds.append(PROGRESS, 1.0)
    with (tmp_path / ROUNDS).open("ab") as file:
        file.write(b'{"began": [')
    assert len(list(rounds.known())) == 1
    rounds.append(Progress(), 2.0)
    assert [known.at for known in rounds.known()] == [1.0, 2.0]


def test_the_end_of_a_trial_is_forced_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def noted(descriptor: int) -> None:
        sizes.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", noted)
    rounds = Rounds(tmp_path)
    rounds.append(Progress(reports=PROGRESS.reports), 1.0)
    assert not sizes
    rounds.append(PROGRESS, 2.0)
    assert sizes == [(tmp_path / ROUNDS).stat().st_size], "with all that went before"

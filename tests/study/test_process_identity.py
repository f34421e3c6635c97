"""Whether a process has ended, for certain."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tunelab.study import process_identity
from tunelab.study.process_identity import OUTERMOST, ProcessIdentity

pytestmark = pytest.mark.skipif(ProcessIdentity.here() is None, reason="needs Linux's /proc")
SAYS = """
import dataclasses, json, sys
from tunelab.study.process_identity import ProcessIdentity
print(json.dumps(dataclasses.asdict(ProcessIdentity.here())), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def here() -> ProcessIdentity:
    """This process, as if it were in no container, on a machine that has a number."""
    found = ProcessIdentity.here()
    assert found is not None
    return replace(found, machine="3d12", namespace=OUTERMOST)


@pytest.fixture
def other() -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", SAYS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_a_process_is_dead_once_it_has_ended(other: "subprocess.Popen[str]") -> None:
    assert other.stdout is not None
    there, here = ProcessIdentity(**json.loads(other.stdout.readline())), ProcessIdentity.here()
    assert there.number == other.pid
    assert not there.is_dead(here)
    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    assert there.is_dead(here)  # though nobody has taken note: a zombie
    other.wait()
    assert there.is_dead(here)
    assert not there.is_dead(None)


def test_a_later_process_of_the_same_number_is_another(here: ProcessIdentity) -> None:
    assert not here.is_dead(here)
    assert replace(here, started=here.started - 1).is_dead(here)


def test_a_process_of_somebody_elses_is_alive(here: ProcessIdentity, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    assert not here.is_dead(here)


def test_a_process_that_is_hidden_is_alive(here: ProcessIdentity, monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(_: int) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(process_identity, "_state", hidden)
    assert not replace(here, started=1).is_dead(here)


def test_what_cannot_be_seen_is_alive(here: ProcessIdentity) -> None:
    gone = replace(here, started=here.started - 1)
    assert not replace(gone, namespace="pid:[1]").is_dead(here)
    assert not replace(gone, boot="other", host="other").is_dead(here)
    assert not replace(gone, boot="other", machine="other").is_dead(here)


def test_before_a_reboot_all_are_dead_but_containers_may_share_a_name(here: ProcessIdentity) -> None:
    before = replace(here, boot="other")
    assert before.is_dead(here)
    assert not replace(before, namespace="pid:[1]").is_dead(here)
    assert not before.is_dead(replace(here, namespace="pid:[1]"))
    assert not replace(before, machine="").is_dead(replace(here, machine=""))


def test_a_platform_without_proc_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(os, "readlink", missing)
    assert ProcessIdentity.here() is None


def test_the_outer_proc_in_a_container_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "readlink", lambda _: str(os.getpid() + 1))
    assert ProcessIdentity.here() is None


def test_a_name_with_brackets_hides_nothing(tmp_path: Path) -> None:
    odd = tmp_path / ") R 1 (x"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([str(odd), "60"]) as process:
        try:
            assert process_identity._state(process.pid)[1] >= process_identity._state(os.getpid())[1]
        finally:
            process.kill()


@pytest.mark.parametrize("amiss", [{"later": 1}, {"number": None}, {"number": "1"}, {"boot": 7}])
def test_a_note_that_says_what_is_not_known_here_tells_of_nobody(here: ProcessIdentity, amiss: dict[str, Any]) -> None:
    note = json.loads(json.dumps(asdict(here)))
    assert ProcessIdentity.noted(note) == here
    assert ProcessIdentity.noted(note | amiss) is None
    del note["host"]
    for each in (note, [], None, "host"):
        assert ProcessIdentity.noted(each) is None


def test_a_number_that_no_process_can_have_is_seen_by_nobody(here: ProcessIdentity) -> None:
    assert not replace(here, number=2**70).is_dead(here)

"""Engines in processes of their own, each of which makes or joins one study."""

import json
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ENGINE = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from study.rig import bowl, search
url, name, trials, folder, pause, paused = json.loads(sys.stdin.read())
def watch(now):
    global pause
    if pause and now.done >= pause:
        pause = None
        Path(paused).touch()
        while Path(paused).exists():
            time.sleep(0.01)
settings = dict(storage=url, join=name, trials=trials, sampler="random", pruner="median", watch=watch)
study = search(bowl(), Path(folder), **settings)
told = [[each.trial.number, each.trial.seed, each.value, dict(each.trial.params)] for each in study.trials]
print(json.dumps(told))
"""


@dataclass(frozen=True)
class Told:
    """What an engine says of one of its trials."""

    number: int
    seed: int
    value: float | None
    params: dict[str, Any]


class JoiningEngine:
    """An engine that joins a study at once; its URL is in no command line.

    Args:
        url: the storage's.
        name: the study's; None to make one.
        trials: how many it adds.
        folder: in which studies have theirs.
        pause: after so many, it waits to be told to go on; others run then.
    """

    def __init__(self, url: str, name: str | None, trials: int, folder: Path, pause: int | None = None) -> None:
        self._paused = folder / f"paused-{secrets.token_hex(4)}"
        here = str(Path(__file__).parents[1])
        self._process = subprocess.Popen(
            [sys.executable, "-c", ENGINE, here], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([url, name, trials, str(folder), pause, str(self._paused)]))
        self._process.stdin.close()
        self._process.stdin = None
        self.said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.kill()

    @property
    def process_id(self) -> int:
        return self._process.pid

    def wait_until_it_pauses(self) -> None:
        """Wait until it has as many trials behind it as it was told, and others that run."""
        while not self._paused.exists():
            assert self._process.poll() is None, self._process.communicate()
            time.sleep(0.01)

    def go_on(self) -> None:
        """End the pause."""
        self._paused.unlink()

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def trials(self) -> list[Told]:
        """Wait for its end, and return its trials."""
        out, self.said = self._process.communicate(timeout=300)
        assert self._process.returncode == 0, self.said
        return [Told(*each) for each in json.loads(out)]

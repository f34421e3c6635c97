"""Engines in processes of their own, each of which joins one study."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ENGINE = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from study.rig import bowl, search
url, name, trials, folder = json.loads(sys.stdin.read())
study = search(bowl(), Path(folder), storage=url, join=name, trials=trials, sampler="random", pruner="median")
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
    """An engine that joins a study at once; its URL is in no command line."""

    def __init__(self, url: str, name: str, trials: int, folder: Path) -> None:
        here = str(Path(__file__).parents[1])
        self._process = subprocess.Popen(
            [sys.executable, "-c", ENGINE, here], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([url, name, trials, str(folder)]))
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

    def trials(self) -> list[Told]:
        """Wait for its end, and return its trials."""
        out, self.said = self._process.communicate(timeout=300)
        assert self._process.returncode == 0, self.said
        return [Told(*each) for each in json.loads(out)]

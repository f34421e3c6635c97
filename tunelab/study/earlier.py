"""An earlier study, from where its trials are kept."""

from pathlib import Path

import optuna

from tunelab.credentials import masked
from tunelab.errors import StoreError
from tunelab.study.storage import JOURNAL, open_storage
from tunelab.study.study_file import optuna_name


def earlier(home: Path, storage: str | None) -> optuna.Study:
    """Return Optuna's side of a study, from the journal in its folder or from the storage of a URL.

    Raises:
        StoreError: it is in neither.
    """
    url = None if (home / JOURNAL).exists() else storage
    if url is None and not (home / JOURNAL).exists():
        raise StoreError(f"{home} holds no trials of its own; give the --storage with which {home.name} was run")
    try:
        return optuna.load_study(study_name=optuna_name(home), storage=open_storage(url, home))
    except KeyError:
        where = masked(url) if url else home / JOURNAL
        raise StoreError(
            f"{where} holds no study {optuna_name(home)}; give the --storage with which it was run"
        ) from None

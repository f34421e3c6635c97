import re
from pathlib import Path

import pytest
import typer

from tunelab.cli.exit_codes import exit_codes
from tunelab.errors import AllTrialsFailed, DataError
from tunelab.study.folder import new_folder


@pytest.mark.parametrize(("error", "code"), [(DataError("no rows"), 2), (AllTrialsFailed("no rows"), 1)])
def test_an_error_of_the_tree_is_its_message(error: Exception, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, exit_codes(debug=False):
        raise error
    assert ended.value.exit_code == code
    assert capsys.readouterr().err == "error: no rows\n"


def test_any_other_error_of_tunelab_is_called_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, exit_codes(debug=False):
        new_folder(None, "digits")  # type: ignore[arg-type]
    assert ended.value.exit_code == 1
    told = capsys.readouterr().err
    assert re.fullmatch(
        r"error: this is a bug in tunelab: AttributeError: .*folder\.py, line \d+\); --debug .*\n", told
    )


def test_an_error_of_a_persons_own_code_names_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), exit_codes(debug=False):
        sorted([1, 2], key=lambda number: {}[number])
    assert re.fullmatch(r"error: .*test_exit_codes\.py, line \d+: KeyError: 1\n", capsys.readouterr().err)


def test_what_the_system_refuses_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), exit_codes(debug=False):
        Path("nowhere").read_text()
    assert re.match(r"error: the system refused; FileNotFoundError", capsys.readouterr().err)


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), exit_codes(debug=True):
        raise DataError("no rows")
    assert capsys.readouterr().err.startswith("Traceback")


def test_neither_message_nor_traceback_holds_a_urls_password(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), exit_codes(debug=True):
        raise LookupError("https://host/?token=s3cr3t") from OSError("no answer from 'mysql://ann:s3cr3t@host/x'")
    told = capsys.readouterr().err
    assert "OSError: no answer from 'mysql://ann:***@host/x'\n" in told
    assert told.count("LookupError: https://host/?***\n") == 2
    assert "s3cr3t" not in told

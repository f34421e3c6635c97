from pathlib import Path

import pytest

from tunelab.tracking.mirror_state import FILE, MirrorState, Stage

STATE = MirrorState(Stage.READY, 7, 1.5, "sqlite:///x", "1", "a", {3: "b"}, {3}, {3: 2}, 10, 20, ["no"], "dead")


def test_a_state_survives_its_file(tmp_path: Path) -> None:
    STATE.save(tmp_path)
    assert MirrorState.load(tmp_path) == STATE
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def test_no_file_is_a_fresh_state(tmp_path: Path) -> None:
    assert MirrorState.load(tmp_path) == MirrorState()


@pytest.mark.parametrize("text", ["", '{"stage": "rea', "[]", "{}", "null", '{"stage": "dancing"}', "\0" * 100])
def test_a_damaged_file_is_a_fresh_state(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    assert MirrorState.load(tmp_path) == MirrorState()


def test_what_holds_for_another_spool_or_store(tmp_path: Path) -> None:
    assert STATE.of(1.5, "sqlite:///x") == STATE
    lost = STATE.of(2.5, "sqlite:///x")
    assert lost == MirrorState(began=2.5, tracking_uri="sqlite:///x", run_id="a", runs={3: "b"})
    assert STATE.of(1.5, "sqlite:///y") == MirrorState(began=1.5, tracking_uri="sqlite:///y")


def test_a_full_disk_keeps_what_was_noted_before(tmp_path: Path) -> None:
    MirrorState().save(tmp_path)
    (tmp_path / f"{FILE}.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        STATE.save(tmp_path)
    assert MirrorState.load(tmp_path) == MirrorState()
    STATE.save(tmp_path)
    assert MirrorState.load(tmp_path) == STATE

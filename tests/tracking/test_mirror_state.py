from pathlib import Path

from tunelab.tracking.mirror_state import FILE, MirrorState, Stage


def test_a_state_survives_its_file(tmp_path: Path) -> None:
    state = MirrorState(Stage.READY, 7, "sqlite:///x", "1", "a", {3: "b"}, {3}, {3: 2}, 10, 20, ["no"], "dead")
    state.save(tmp_path)
    assert MirrorState.load(tmp_path) == state
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def test_no_file_is_a_fresh_state(tmp_path: Path) -> None:
    assert MirrorState.load(tmp_path) == MirrorState()

"""The engine's hold on the process that writes to MLflow."""

from pathlib import Path

from shown import wait_until

from tunelab.tracking.spool import SPOOL
from tunelab.tracking.writer_process import WriterProcess


def test_a_writer_that_is_left_is_no_zombie_when_it_has_ended(store: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / SPOOL).write_text("damaged\n")
    writer = WriterProcess(folder, store)
    process = Path(f"/proc/{writer._process.pid}")
    assert process.exists()
    writer.leave(0.0)
    del writer
    wait_until(lambda: not process.exists())

"""A PostgreSQL of a test's own: on loopback, in a folder of its own, stopped and started at will."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from optuna.storages import RDBStorage
from ports import free_port

PASSWORD = "h0rse%battery"
"""Of its one user, `ann`; the sign must be escaped in a URL, so a leak of either spelling is looked for."""


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest where there are several."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


class Postgresql:
    """A server with one user, whose password is asked for.

    Args:
        folder: where its data lies, and nothing else.
    """

    def __init__(self, folder: Path) -> None:
        home = programs()
        if home is None:
            pytest.skip("needs PostgreSQL's initdb and pg_ctl, which are not installed")
        self._home, self._data = home, folder / "data"
        self._user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
        self.port = free_port()
        password = folder / "password"
        password.write_text(PASSWORD)
        if self._user:
            shutil.chown(folder, self._user)
            password.chmod(0o644)
        self._run("initdb", "--username=ann", f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync")
        self._log = folder / "log"

    @property
    def url(self) -> str:
        """The database's, with the password."""
        return f"postgresql+psycopg://ann:{PASSWORD.replace('%', '%25')}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = f"-h 127.0.0.1 -p {self.port} -k '' -c fsync=off -c max_connections=40"
        self._run("pg_ctl", "start", "--wait", f"--log={self._log}", f"--options={options}")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: `fast` ends every connection, `immediate` is a crash."""
        self._run("pg_ctl", "stop", "--wait", f"--mode={mode}")

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return (self._data / "postmaster.pid").exists()

    def empty(self) -> None:
        """Drop all that the database holds, and whoever is connected."""
        import psycopg

        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                               " AND backend_type = 'client backend'")  # fmt: skip
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    @contextmanager
    def storage(self) -> Iterator[RDBStorage]:
        """Optuna's own storage in the database, as somebody else would open it."""
        storage = RDBStorage(self.url)
        try:
            yield storage
        finally:
            storage.engine.dispose()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._home / program), f"--pgdata={self._data}", *arguments]
        if self._user:
            command = ["runuser", "-u", self._user, "--", *command]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
            cwd="/",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout

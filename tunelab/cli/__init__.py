"""The command line: `tunelab run`, `ui`, `reproduce`, `plugins`, `new plugin` and `sync`."""

import sys
import time

STARTED = time.time() - time.process_time()
"""When this process began, as far as it was busy since: what start-up costs is counted in what is reported."""


def main() -> None:
    """Run the command that the arguments name."""
    try:
        from tunelab.cli.commands import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)

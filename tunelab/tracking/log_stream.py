"""What the writer and MLflow say, on its way to `mlflow.log`: anybody may be shown that file."""

import io
from typing import TextIO

from tunelab.credentials import concealed


class LogStream(io.TextIOWrapper):
    """A text stream that does not pass on the secrets of a tracking URI, whoever quotes it.

    Args:
        stream: where to write: standard output or error.
        uri: the tracking URI in full.
    """

    def __init__(self, stream: TextIO, uri: str) -> None:
        super().__init__(stream.buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True)
        self._uri = uri

    def write(self, text: str, /) -> int:
        """Write a text without them."""
        super().write(concealed(text, self._uri))
        return len(text)

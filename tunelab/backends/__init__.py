"""What computes: one file a backend."""

from importlib.util import find_spec

from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.contracts import Backend
from tunelab.errors import ExperimentError


def backend_of(name: str, dtype: str) -> Backend:
    """Return a backend by name; torch is imported here, and only if it is asked for.

    Raises:
        ExperimentError: torch is not installed.

    >>> backend_of("numpy", "float32").name
    'numpy'
    """
    require(name)
    if name == "numpy":
        return NumpyBackend(dtype)
    from tunelab.backends.torch_backend import TorchBackend

    return TorchBackend(dtype)


def require(name: str) -> None:
    """Raise `ExperimentError` unless what the backend needs is installed; nothing is imported."""
    if name == "torch" and find_spec("torch") is None:
        raise ExperimentError(
            "backend='torch' needs PyTorch, which is not installed here; pip install 'tunelab[torch]', "
            "or leave backend at 'numpy'"
        )

"""What computes: one file a backend."""

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
    if name == "numpy":
        return NumpyBackend(dtype)
    try:
        from tunelab.backends.torch_backend import TorchBackend
    except ModuleNotFoundError as error:
        raise ExperimentError(
            "backend='torch' needs PyTorch, which is not installed; pip install 'tunelab[torch]', or use backend='numpy'"
        ) from error
    return TorchBackend(dtype)

"""What computes: one file a backend."""

from importlib.util import find_spec

from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.contracts import Backend, Torch
from tunelab.errors import ExperimentError


def backend_of(wanted: str | Torch, dtype: str) -> Backend:
    """Return what computes; torch is imported here, and only if it is asked for.

    Args:
        wanted: `"numpy"`, `"torch"`, or how PyTorch is to compute.
        dtype: of floats.

    Raises:
        ExperimentError: torch is not installed, or has no such device here.

    >>> backend_of("numpy", "float32").name
    'numpy'
    """
    require(wanted)
    if wanted == "numpy":
        return NumpyBackend(dtype)
    from tunelab.backends.pytorch.backend import TorchBackend

    return TorchBackend(dtype, wanted if isinstance(wanted, Torch) else Torch())


def require(wanted: str | Torch) -> None:
    """Raise `ExperimentError` unless what the backend needs is installed; nothing is imported."""
    if wanted != "numpy" and find_spec("torch") is None:
        raise ExperimentError(
            "backend='torch' needs PyTorch, which is not installed here; pip install 'tunelab[torch]', "
            "or leave backend at 'numpy'"
        )

"""A trial's model as MLflow loads it: this file is the model's code, its weights an artifact; nothing is pickled."""

from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class BestTrial(PythonModel):
    """Predicts with the best trial's network: class labels, or values of shape (rows, outputs)."""

    def load_context(self, context: Any) -> None:
        """Read the weights; only here is anything of training imported."""
        from tunelab.training.trained import TrainedModel

        self._model = TrainedModel.load(context.artifacts["weights"])

    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> Any:
        """Return predictions for rows of features: an array or a data frame."""
        return self._model.predict(np.asarray(model_input, dtype=float))


set_model(BestTrial())

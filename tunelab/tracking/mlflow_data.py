"""A study's data as MLflow's data set: name, digest, and what the columns are."""

import json

from mlflow.entities import Dataset, DatasetInput, InputTag

from tunelab.trial import DataRecord

_DIGEST_LENGTH = 36  # MLflow's limit


def data_input(data: DataRecord) -> DatasetInput:
    """Return what `MlflowClient.log_inputs` takes."""
    shape = {"features": data.features, "targets": data.targets, "outputs": data.outputs}
    dataset = Dataset(
        name=data.name,
        digest=data.fingerprint[:_DIGEST_LENGTH],
        source_type="tunelab",
        source=json.dumps({"source": data.source}),
        schema=json.dumps({"tunelab": shape}),
        profile=json.dumps({"rows": dict(data.rows), "sha256": data.fingerprint, **shape}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])

"""Mirrors a study outside: into MLflow (`mlflow_tracker`) or into memory (`memory`).

The engine's side appends to a spool and imports no mlflow. Only the files named `mlflow_*` beside the tracker do, and
they run in the writer's own process.
"""

"""The population core: members that train together, and their one loop. Knows neither Optuna nor MLflow."""

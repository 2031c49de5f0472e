"""Hyperparameter search: Optuna proposes, the launchers train, every run is a job folder of the sweep."""

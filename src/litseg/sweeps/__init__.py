"""Sweeps: a search space, an Optuna study on storage that outlives the process, and trials that are real trainings."""

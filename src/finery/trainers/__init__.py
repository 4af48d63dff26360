"""Trainers of the recipes; each run is a process of its own (`python -m finery.trainers RUN_DIR`)."""

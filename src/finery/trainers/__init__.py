"""Trainers: the programs that carry out recipes, each in a process of its own (`python -m finery.trainers RUN_DIR`)."""

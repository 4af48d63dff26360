"""Kills, hangs and jumps of the clock for hours, in short rounds that are counted; see docs/reliability.md."""

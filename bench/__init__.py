"""Benchmarks: `python -m bench` prints every table, `python -m bench NAME …` some. Ratios are within one run."""

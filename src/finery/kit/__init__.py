"""Helpers that know nothing of Finery: files, processes, locks, limits, text and tables."""

"""Runs graders: string checks, text similarity, judge models, and Python programs in a sandbox."""

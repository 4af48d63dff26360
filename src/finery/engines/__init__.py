"""Inference engines: each is a program that serves one model. Importing this package loads no framework."""

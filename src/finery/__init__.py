"""Finery: the self-hosted server for fine-tuning."""

__version__ = "0.1.0"

"""Stands for the training stack: what the warm parent of the tests imports."""

import json
import subprocess

__all__ = ["json", "subprocess"]

"""`python -m tests.examples.registering MODULE PYTHON -m PROGRAM …`: that program, where that module is known."""

import importlib
import runpy
import sys

if __name__ == "__main__":
    importlib.import_module(sys.argv[1])
    sys.argv = sys.argv[4:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

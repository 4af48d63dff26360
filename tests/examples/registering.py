"""`python -m tests.examples.registering PYTHON -m PROGRAM …`: that program, in which a recipe of another's is known."""

import runpy
import sys

if __name__ == "__main__":
    import orpo  # noqa: F401

    sys.argv = sys.argv[3:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

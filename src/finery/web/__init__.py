"""Serves the page at `/ui/`: the files into which `web/`, at the root of the repository, is built."""

"""Graders at work: texts compared, judges asked, programs run in a process with limits."""

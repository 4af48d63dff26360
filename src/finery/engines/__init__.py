"""Programs that serve one model each, and the commands that start them. Importing this package loads no framework."""

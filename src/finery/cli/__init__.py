"""The command line, thin over `finery.client`. Nothing heavy is imported before a command needs it."""

"""vLLM, a program of its own in an environment of its own: how it is started, asked, and given adapters."""

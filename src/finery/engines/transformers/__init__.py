"""The built-in engine: serves one model by transformers' continuous batching behind OpenAI's HTTP API."""

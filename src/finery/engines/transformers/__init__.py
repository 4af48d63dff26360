"""The engine that is always there: one model on transformers' continuous batching, behind an OpenAI-shaped server."""

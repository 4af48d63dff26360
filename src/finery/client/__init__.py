"""The Python client: `from finery.client import FineryClient`."""

from finery.client.answers import LogSlice, LogTail, UploadedDataset
from finery.client.chat import ChatAnswer, ChatMessage, Sampling
from finery.client.client import FineryClient
from finery.client.errors import BadConnection, ClientError, FineryError, Flaw, ServerUnreachable

__all__ = [
    "BadConnection",
    "ChatAnswer",
    "ChatMessage",
    "ClientError",
    "FineryClient",
    "FineryError",
    "Flaw",
    "LogSlice",
    "LogTail",
    "Sampling",
    "ServerUnreachable",
    "UploadedDataset",
]

"""The Python client of the native API: `from finery.client import FineryClient`."""

from finery.client.accounts import CreatedKey, LoggedIn, Me
from finery.client.chat import ChatAnswer, ChatMessage, Sampling
from finery.client.client import FineryClient
from finery.client.credentials import CredentialsRefused
from finery.client.errors import BadConnection, ClientError, FineryError, Issue, ServerUnreachable
from finery.client.responses import LogSlice, LogTail, UploadedDataset

__all__ = [
    "BadConnection",
    "ChatAnswer",
    "ChatMessage",
    "ClientError",
    "CreatedKey",
    "CredentialsRefused",
    "FineryClient",
    "FineryError",
    "Issue",
    "LogSlice",
    "LogTail",
    "LoggedIn",
    "Me",
    "Sampling",
    "ServerUnreachable",
    "UploadedDataset",
]

"""Needs attention: conditions of live runs, the queue and the machine that a person should see, each with its remedy.

`rules` is the table; the scheduler's loop observes and settles, and requests list what holds.
"""

from finery.domain.attention.observation import Observer
from finery.domain.attention.queries import list_for_run, list_open
from finery.domain.attention.rules import RULES, Finding, findings_of
from finery.domain.attention.settlement import attention_id, open_ids, settle

__all__ = [
    "RULES",
    "Finding",
    "Observer",
    "attention_id",
    "findings_of",
    "list_for_run",
    "list_open",
    "open_ids",
    "settle",
]

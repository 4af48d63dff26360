"""Files that clients upload for a purpose, whole or in parts."""

from finery.domain.files import dataset_uploads
from finery.domain.files.expiry import has_expired, remove_expired, remove_parts, remove_stray_parts
from finery.domain.files.references import resolve_file
from finery.domain.files.results import Result, find_result, list_results
from finery.domain.files.service import content_path, create, delete, get, list_page
from finery.domain.files.uploads import add_part, begin, cancel, check_parts, complete, join_parts

__all__ = [
    "Result",
    "add_part",
    "begin",
    "cancel",
    "check_parts",
    "complete",
    "content_path",
    "create",
    "dataset_uploads",
    "delete",
    "find_result",
    "get",
    "has_expired",
    "join_parts",
    "list_page",
    "list_results",
    "remove_expired",
    "remove_parts",
    "remove_stray_parts",
    "resolve_file",
]

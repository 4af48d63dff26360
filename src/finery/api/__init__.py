"""The public APIs. Each is a folder that exports one object, and a line here."""

from finery.api import jobs, native, openai, studio
from finery.http.dialects import Dialect

# Where two have a route for the same method and address, the first one's counts.
DIALECTS: tuple[Dialect, ...] = (openai.DIALECT, native.DIALECT, jobs.DIALECT, studio.DIALECT)

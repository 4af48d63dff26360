"""The public APIs: each is a folder that exports one Dialect, and a line here."""

from finery.api import jobs, native, openai, studio
from finery.http.dialects import Dialect

# Where two have a route for the same method and path, that of the first one answers.
DIALECTS: tuple[Dialect, ...] = (openai.DIALECT, native.DIALECT, jobs.DIALECT, studio.DIALECT)

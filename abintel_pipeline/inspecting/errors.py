"""Why a file can't be inspected."""


class CannotInspect(Exception):
    """The file is none that can be read as a table. The message says why, and what to do."""

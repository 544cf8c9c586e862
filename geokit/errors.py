"""The one hierarchy of errors.

A message is one clear sentence: what was wrong, where (file, field, shape seen, shape wanted) and what to do.
The command line prints that sentence alone and exits with 2.
"""


class GeokitError(Exception):
    """Base of every error that geokit raises on purpose."""


class InvalidInput(GeokitError, ValueError):
    """A value, shape, dtype or option that the caller can correct."""


class UnreadableFile(GeokitError, OSError):
    """A file that is missing, truncated, lying about itself, or not what its name says.

    A message may quote the file: characters that cannot be printed (ends of lines, codes that steer a terminal) stand
    in it as escapes, so that it stays one sentence.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message))


class MissingDependency(GeokitError, ImportError):
    """An optional package that this call needs and that is not installed."""


class NumericalFailure(GeokitError, ArithmeticError):
    """A computation that did not converge or produced values that are not finite."""


class OutOfMemory(GeokitError, MemoryError):
    """More memory than the device has left."""

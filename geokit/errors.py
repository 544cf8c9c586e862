"""The one hierarchy of errors.

A message is one clear sentence: what was wrong, where (file, field, shape seen, shape wanted) and what to do.
The command line prints that sentence alone and exits with 2.
"""


class GeokitError(Exception):
    """Base of every error that geokit raises on purpose."""


class InvalidInput(GeokitError, ValueError):
    """A value, shape, dtype or option that the caller can correct."""


class UnreadableFile(GeokitError, OSError):
    """A file that is missing, truncated, lying about itself, or not what its name says."""


class MissingDependency(GeokitError, ImportError):
    """An optional package that this call needs and that is not installed."""


class NumericalFailure(GeokitError, ArithmeticError):
    """A computation that did not converge or produced values that are not finite."""

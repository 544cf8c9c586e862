"""What went wrong, as the one sentence that a user reads."""

import traceback

from geokit.errors import GeokitError


def sentence(error: Exception) -> str:
    """Of an error that a control met; what geokit did not foresee is printed on the server too."""
    if isinstance(error, GeokitError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'} cannot be used ({error.strerror})"
    if isinstance(error, MemoryError):
        return "there is not enough memory for this"
    traceback.print_exception(error)
    return f"this is a mistake of geokit itself ({type(error).__name__}: {error})"

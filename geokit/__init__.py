"""geokit: computing with 3D shapes."""

from geokit.errors import GeokitError, InvalidInput, MissingDependency, NumericalFailure, UnreadableFile

__version__ = "0.1.0"
__all__ = ["GeokitError", "InvalidInput", "MissingDependency", "NumericalFailure", "UnreadableFile", "__version__"]

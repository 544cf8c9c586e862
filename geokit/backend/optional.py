"""Packages that an extra brings, imported where they are used."""

import ctypes
from importlib import import_module
from types import ModuleType

from geokit.errors import MissingDependency


def optional(module: str, purpose: str, extra: str | None) -> ModuleType:
    """The module, or `MissingDependency` naming what it is for and the extra that brings it (None: no extra does)."""
    try:
        return import_module(module)
    except ImportError as error:
        cure = f"with: pip install 'geokit[{extra}]'" if extra else "as its own documentation says"
        raise MissingDependency(
            f"{purpose} needs the package {module.split('.')[0]}, which cannot be imported ({error}); install it {cure}"
        ) from error


def open3d(purpose: str) -> ModuleType:
    """Open3D, or `MissingDependency`.

    Its wheel links libusb, which many machines do not have; the package libusb-package brings a copy, loaded first.
    """
    try:
        return import_module("open3d")
    except ImportError as error:
        if "libusb" not in str(error):
            return optional("open3d", purpose, "surfaces")
    libusb = optional("libusb_package", purpose, "surfaces")
    ctypes.CDLL(str(libusb.get_library_path()), mode=ctypes.RTLD_GLOBAL)
    return optional("open3d", purpose, "surfaces")

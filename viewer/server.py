"""The web server: which address, which port, and what that means."""

import contextlib
import io
import logging
import socket
import warnings
from typing import TYPE_CHECKING

from geokit.errors import InvalidInput, MissingDependency

if TYPE_CHECKING:
    import viser

FIRST_PORT = 8080
_TRIES = 100
LOCAL = ("127.0.0.1", "localhost", "::1")
EXPOSED = (
    "the viewer listens on {host}: everybody who reaches this machine over the network can look, edit and save, there "
    "is no password; to look from elsewhere leave --host out and forward the port: ssh -L {port}:127.0.0.1:{port} HERE"
)


def start_server(host: str = "127.0.0.1", port: int | None = None) -> "viser.ViserServer":
    """A server that serves. port: this one, or the first free one from `FIRST_PORT` on; 0 is any free one.

    Warns when `host` is not this machine alone. Raises `InvalidInput` for a port that is in use and an address that is
    not this machine's, `MissingDependency` without viser.
    """
    try:
        import viser
        from viser import _messages
    except ImportError as error:
        raise MissingDependency("the viewer needs viser; install it: pip install 'geokit[viewer]'") from error
    chosen = free_port(host, port)
    if host not in LOCAL:
        warnings.warn(EXPOSED.format(host=host, port=chosen), stacklevel=2)
    logging.getLogger("websockets.server").setLevel(logging.CRITICAL)  # clients that leave in the middle
    with contextlib.redirect_stdout(io.StringIO()):  # viser's own panel
        server = viser.ViserServer(host=host, port=chosen, label="geokit", verbose=False)
    # A button of the page would open a tunnel through a public relay: nobody asked for that.
    for message in (_messages.ShareUrlRequest, _messages.ShareUrlDisconnect):
        server._websock_server.unregister_handler(message)
    server.gui.configure_theme(show_logo=False, show_share_button=False, control_width="medium")
    return server


def free_port(host: str, port: int | None) -> int:
    """The port to listen on; raises `InvalidInput` where there is none."""
    if port is not None:
        if not 0 <= port < 65536:
            raise InvalidInput(f"--port must be between 0 and 65535, got {port}")
        problem = _bind(host, port)
        if problem is None:
            return port
        raise InvalidInput(f"port {port} of {host} cannot be used ({problem}); choose another --port, or leave it out")
    for candidate in range(FIRST_PORT, FIRST_PORT + _TRIES):
        problem = _bind(host, candidate)
        if problem is None:
            return candidate
        if problem != _IN_USE:
            raise InvalidInput(
                f"--host {host} cannot be used ({problem}); leave it out, or give an address of this machine"
            )
    raise InvalidInput(f"ports {FIRST_PORT} to {FIRST_PORT + _TRIES - 1} are all in use; choose a --port")


_IN_USE = "it is in use"


def _bind(host: str, port: int) -> str | None:
    """Why the port cannot be had; None when it can."""
    import errno

    try:
        kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return _IN_USE if error.errno == errno.EADDRINUSE else (error.strerror or str(error))
    except UnicodeError as error:
        return str(error)
    return None

"""The web server: which address, which port, and what that means."""

import contextlib
import errno
import io
import os
import socket
import sys
import time
import warnings
import webbrowser
from typing import TYPE_CHECKING

from geokit.errors import InvalidInput, MissingDependency

from .door import Whisper, is_local, kept_door, names_of_this_machine

if TYPE_CHECKING:
    import viser

FIRST_PORT = 8080
_TRIES = 100
_WORDS_TAKE = 0.2  # seconds to a page on this machine
EXPOSED = (
    "the viewer listens on {host}: everybody who reaches this machine over the network can look, edit and save, there "
    "is no password; to look from elsewhere leave --host out and forward the port: ssh -L {port}:127.0.0.1:{port} HERE"
)


def start_server(host: str = "127.0.0.1", port: int | None = None) -> "viser.ViserServer":
    """A server that serves. port: this one, or the first free one from `FIRST_PORT` on; 0 is any free one.

    Warns when `host` is not this machine alone. Connections that other websites open are refused (see `door`). Raises
    `InvalidInput` for a port that is in use and an address that is not this machine's, `MissingDependency` without
    viser.
    """
    try:
        import viser
        from viser import _messages
    except ImportError as error:
        raise MissingDependency("the viewer needs viser; install it: pip install 'geokit[viewer]'") from error
    address, chosen = free_port(host, port)
    whisper = Whisper()
    with contextlib.redirect_stdout(io.StringIO()), kept_door(names_of_this_machine(host), whisper):  # viser's panel
        server = viser.ViserServer(host=address, port=chosen, label="geokit", verbose=False)
    if chosen and server.get_port() != chosen:  # somebody took it in between
        server.stop()
        raise _refused(host, chosen, _IN_USE)
    if not is_local(host):
        warnings.warn(EXPOSED.format(host=host, port=server.get_port()), stacklevel=2)
    loop = server._event_loop
    loop.call_soon_threadsafe(loop.set_exception_handler, whisper.unhandled)
    # A button of the page would open a tunnel through a public relay: nobody asked for that.
    for message in (_messages.ShareUrlRequest, _messages.ShareUrlDisconnect):
        server._websock_server.unregister_handler(message)
    server.gui.configure_theme(show_logo=False, show_share_button=False, control_width="medium")
    return server


def say_goodbye(server: "viser.ViserServer", sentence: str) -> None:
    """Tell those whose page is open why the server is about to stop; the sentence stays on the page."""
    clients = server.get_clients().values()
    for client in clients:
        client.add_notification("geokit could not show this", sentence, auto_close_seconds=None, color="red")
        client.flush()
    if clients:
        time.sleep(_WORDS_TAKE)


def stop_server(server: "viser.ViserServer") -> None:
    """Serve no more; a second time does nothing."""
    with contextlib.redirect_stdout(io.StringIO()):  # viser's own goodbye
        server.stop()


def free_port(host: str, port: int | None) -> tuple[str, int]:
    """The numeric address and the port to listen on; raises `InvalidInput` where there is none."""
    if port is not None:
        if not 0 <= port < 65536:
            raise InvalidInput(f"--port must be between 0 and 65535, got {port}")
        address, problem = _bind(host, port)
        if problem is None:
            return address, port
        raise _refused(host, port, problem)
    for candidate in range(FIRST_PORT, FIRST_PORT + _TRIES):
        address, problem = _bind(host, candidate)
        if problem is None:
            return address, candidate
        if problem != _IN_USE:
            raise _unknown(host, problem)
    raise InvalidInput(f"ports {FIRST_PORT} to {FIRST_PORT + _TRIES - 1} are all in use; choose a --port")


def page_address(host: str, port: int) -> str:
    """What to type into a browser on this machine."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    host = everywhere.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def open_page(url: str) -> bool:
    """Show the page in the user's browser, where there is a screen to show it on; returns whether it was tried."""
    if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
        return False
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    with contextlib.suppress(webbrowser.Error, OSError):
        return webbrowser.open(url)
    return False


_IN_USE = "it is in use"
_NOT_ALLOWED = "this account may not use it"
_OF_THE_PORT = (_IN_USE, _NOT_ALLOWED)


def _refused(host: str, port: int, problem: str) -> InvalidInput:
    if problem not in _OF_THE_PORT:
        return _unknown(host, problem)
    return InvalidInput(f"port {port} of {host} cannot be used ({problem}); choose another --port, or leave it out")


def _unknown(host: str, problem: str) -> InvalidInput:
    return InvalidInput(f"--host {host!r} cannot be used ({problem}); leave it out, or give an address of this machine")


def _bind(host: str, port: int) -> tuple[str, str | None]:
    """The numeric address of `host`, and why its port cannot be had; None when it can."""
    if not host.strip():
        return host, "it is empty"
    try:
        kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        known = {errno.EADDRINUSE: _IN_USE, errno.EACCES: _NOT_ALLOWED}
        return host, known.get(error.errno or 0) or error.strerror or str(error)
    except UnicodeError:
        return host, "it is not a name of a machine"
    return str(address[0]), None

"""Who may come in: the page's own connections, and not the pages of other people's websites.

A browser lets every website open connections to programs on the same machine. The viewer edits and saves, so a
connection has to come from the viewer's own page (its `Origin` is the `Host` that was asked), under a name that is
this machine's: a foreign name may have been made to lead here (DNS rebinding). Programs that are no browser send no
`Origin` and are let in: they could do what they want anyhow.
"""

import contextlib
import http
import ipaddress
import logging
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

FOREIGN_PAGE = (
    "a page of {origin} asked for the viewer, which is for its own page alone, and was refused; open the viewer by the "
    "address that it printed"
)
FOREIGN_NAME = (
    "the viewer was asked for as {host}, which is no name of this machine, and refused; open it by the address that it "
    "printed, or by this machine's IP address"
)
GARBLED = "a client sent what the viewer does not understand ({error}); it was ignored, the viewer goes on"
OLD_PAGE = "a page of another version asked for the viewer; load it again in the browser"
_NOT_THE_VERSION = 1002  # the code at which the page stops asking
_CLOSING_TAKES = 0.5  # seconds in which a client may say goodbye
_replacing = threading.Lock()


def refusal(host: str | None, origin: str | None, names: frozenset[str]) -> str | None:
    """Why a request may not come in; None when it may.

    host, origin: the headers of the request, None where they are missing. names: this machine's, in lower case.
    """
    name = _name(f"//{host}") if host else None
    if name is None or not (name in names or _is_address(name)):
        return FOREIGN_NAME.format(host=repr(host or ""))
    if origin is not None and urlsplit(origin).netloc.lower() != (host or "").lower():
        return FOREIGN_PAGE.format(origin=repr(origin))
    return None


def names_of_this_machine(host: str) -> frozenset[str]:
    """What a browser may call a server that listens on `host`, beside IP addresses."""
    own = {host, "localhost", socket.gethostname(), f"{socket.gethostname()}.local"}
    if not is_local(host):
        own.add(socket.getfqdn())
    return frozenset(name.lower() for name in own if name)


def is_local(host: str) -> bool:
    """Whether only this machine reaches the address."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host.split("%")[0]).is_loopback)


class Whisper(logging.Handler):
    """Says each sentence once, as a warning, and nothing else: for loggers that print tracebacks of what strangers
    do."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def say(self, sentence: str) -> None:
        """Warn, the first time."""
        if sentence not in self._said:
            self._said.add(sentence)
            with contextlib.suppress(Warning):  # where warnings are errors, nobody here could catch them
                warnings.warn(sentence, stacklevel=2)

    def emit(self, record: logging.LogRecord) -> None:
        """A failed handshake is a port scan or a client that left; a failed connection sent what it should not."""
        if record.exc_info and record.exc_info[1] is not None and "handshake" not in record.getMessage():
            self.say(GARBLED.format(error=type(record.exc_info[1]).__name__))

    def unhandled(self, loop: object, context: dict[str, Any]) -> None:
        """For `asyncio`: a message of a client could not be acted on."""
        error = context.get("exception")
        if error is not None and not isinstance(error, OSError):
            self.say(GARBLED.format(error=type(error).__name__))


@contextlib.contextmanager
def kept_door(names: frozenset[str], whisper: Whisper) -> Iterator[None]:
    """A server of viser that is made inside asks `refusal` about every request.

    viser offers no place for this, so the one function by which it opens the port is replaced for that moment.
    """
    import viser
    from websockets.asyncio import server

    logger = logging.Logger("geokit.viewer.connections", logging.ERROR)
    logger.addHandler(whisper)
    original = server.serve

    def serve(
        handler: Callable[..., Any], *arguments: Any, process_request: Callable[..., Any] | None = None, **options: Any
    ) -> Any:
        async def handle(connection: Any) -> None:
            if connection.subprotocol == f"viser-v{viser.__version__}":
                await handler(connection)
                return
            whisper.say(OLD_PAGE)
            await connection.close(_NOT_THE_VERSION, "This page is of another version; load it again.")

        def process(connection: Any, request: Any) -> Any:
            hosts, origins = request.headers.get_all("Host"), request.headers.get_all("Origin")
            host = hosts[0] if len(hosts) == 1 else None
            # More than one origin is nobody's: no name is equal to their list.
            why = refusal(host, " ".join(origins) if origins else None, names)
            if why is None:
                return None if process_request is None else process_request(connection, request)
            whisper.say(why)
            return connection.respond(http.HTTPStatus.FORBIDDEN, why + "\n")

        options |= {"process_request": process, "logger": logger, "close_timeout": _CLOSING_TAKES}
        return original(handle, *arguments, **options)

    with _replacing:
        server.serve = serve  # type: ignore[assignment, misc]
        try:
            yield
        finally:
            server.serve = original  # type: ignore[misc]


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        return False
    return True

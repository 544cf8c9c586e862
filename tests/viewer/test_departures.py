"""Clients that have left take no memory."""

import gc
import weakref

import geokit.viewer.departures as departures
from geokit.viewer import Viewer

from tests.viewer.browser import until
from tests.viewer.wire_client import WireClient


def test_the_handles_of_clients_that_left_are_freed(monkeypatch):
    monkeypatch.setattr(departures, "_MOMENT", 0.2)
    assert gc.isenabled()
    with Viewer(port=0) as viewer:
        clients = [WireClient(viewer.url, (64, 48), (0, -4, 1)) for _ in range(3)]
        until(lambda: len(viewer.server.get_clients()) == 3, "the clients did not come", 20)
        handles = [weakref.ref(handle._websock_connection) for handle in viewer.server.get_clients().values()]
        for client in clients:
            client.close()
        until(lambda: not viewer.server.get_clients(), "the clients did not leave", 20)
        until(lambda: not any(handle() for handle in handles), "their connections are still there", 20)

"""The server: where it listens, whom it lets in, what it outlives, how it ends."""

import signal
import socket
import sys
import threading
import time
import warnings
from http.client import HTTPConnection

import pytest
import torch
from geokit.viewer import Viewer, show
from geokit.viewer.door import names_of_this_machine, refusal
from geokit.viewer.server import open_page, page_address, start_server

from geokit.errors import InvalidInput
from geokit.geometry import PointCloud
from tests.viewer.browser import started, until

import viser  # isort: skip
import websockets.sync.client  # isort: skip
from websockets.exceptions import ConnectionClosed, InvalidStatus  # isort: skip

PROTOCOL = f"viser-v{viser.__version__}"


@pytest.fixture
def viewer():
    with Viewer(port=0) as made:
        yield made


def connect(viewer: Viewer, origin: str | None = None, protocol: str = PROTOCOL, host: str = "127.0.0.1"):
    port = viewer.server.get_port()
    sock = socket.create_connection(("127.0.0.1", port))
    return websockets.sync.client.connect(
        f"ws://{host}:{port}/", sock=sock, origin=origin, subprotocols=[protocol], max_size=None, open_timeout=20
    )


def read_on(connection) -> None:
    while True:
        connection.recv(20)


def serves(viewer: Viewer) -> bool:
    """Whether the page is given out and a page's connection gets messages."""
    asked = HTTPConnection("127.0.0.1", viewer.server.get_port(), timeout=20)
    asked.request("GET", "/")
    answer = asked.getresponse()
    with connect(viewer, f"http://127.0.0.1:{viewer.server.get_port()}") as connection:
        return answer.status == 200 and b"<html" in answer.read() and len(connection.recv(20)) > 16


# Where it listens.


@pytest.mark.parametrize(
    ("host", "port", "sentence"),
    [
        ("127.0.0.1", 65536, "between 0 and 65535, got 65536"),
        ("127.0.0.1", -1, "between 0 and 65535, got -1"),
        ("no-such-machine.invalid", 0, "--host 'no-such-machine.invalid' cannot be used"),
        ("no-such-machine.invalid", None, "--host 'no-such-machine.invalid' cannot be used"),
        ("192.0.2.1", 0, "--host '192.0.2.1' cannot be used"),
        ("", None, "--host '' cannot be used"),
        ("a" * 300, 0, "cannot be used"),
        ("x" + chr(0) + "y", 0, "cannot be used"),
    ],
)
def test_an_address_that_cannot_be_is_one_sentence(host, port, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        start_server(host, port)


def test_a_port_in_use_is_named_and_the_next_one_is_taken_when_none_was_asked_for(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidInput, match=f"port {port} of 127.0.0.1 cannot be used .it is in use"):
            start_server("127.0.0.1", port)
        monkeypatch.setattr("geokit.viewer.server.FIRST_PORT", port)
        with Viewer() as viewer:
            assert port < viewer.server.get_port() < port + 100


def test_a_port_that_only_root_may_use_is_said_so(monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(InvalidInput, match=r"port 80 of 127.0.0.1 cannot be used \(this account may not use it"):
        start_server("127.0.0.1", 80)


def test_an_ipv6_address_serves_and_its_page_is_in_brackets():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Viewer("::1", 0) as viewer:
        assert viewer.url == f"http://[::1]:{viewer.server.get_port()}"
        asked = HTTPConnection("::1", viewer.server.get_port(), timeout=20)
        asked.request("GET", "/")
        assert asked.getresponse().status == 200
    assert page_address("::", 1) == "http://[::1]:1"


def test_listening_to_everybody_warns_what_it_means():
    with pytest.warns(UserWarning, match="there is no password"):
        viewer = Viewer("0.0.0.0", 0)
    with viewer:
        assert viewer.url.startswith("http://127.0.0.1:")
        assert serves(viewer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start_server("localhost", 0).stop()


def test_no_browser_is_opened_without_a_screen(monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("SSH_CONNECTION", "SSH_TTY", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not open_page("http://127.0.0.1:1")
    monkeypatch.setenv("DISPLAY", ":0")
    assert open_page("http://127.0.0.1:1")
    monkeypatch.setenv("SSH_CONNECTION", "1.2.3.4 5 6.7.8.9 22")
    assert not open_page("http://127.0.0.1:2")
    assert opened == ["http://127.0.0.1:1"]


# Whom it lets in.


@pytest.mark.parametrize(
    ("host", "origin", "comes_in"),
    [
        ("127.0.0.1:8080", None, True),
        ("127.0.0.1:8080", "http://127.0.0.1:8080", True),
        ("localhost:9000", "http://localhost:9000", True),  # a forwarded port
        ("[::1]:8080", "http://[::1]:8080", True),
        ("127.0.0.1:8080", "https://evil.example", False),
        ("127.0.0.1:8080", "http://127.0.0.1:3000", False),  # another program on this machine
        ("127.0.0.1:8080", "null", False),
        ("evil.example:8080", "http://evil.example:8080", False),  # a name that was made to lead here
        ("127.0.0.1.evil.example", None, False),
        ("[::1", None, False),
        ("", None, False),
        (None, None, False),
    ],
)
def test_only_the_page_itself_comes_in(host, origin, comes_in):
    assert (refusal(host, origin, names_of_this_machine("127.0.0.1")) is None) == comes_in


def test_websites_elsewhere_cannot_connect(viewer):
    port = viewer.server.get_port()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(3):
            with pytest.raises(InvalidStatus, match="403"):
                connect(viewer, "https://evil.example")
        with pytest.raises(InvalidStatus, match="403"):
            connect(viewer, f"http://rebound.example:{port}", host="rebound.example")
        asked = HTTPConnection("127.0.0.1", port, timeout=20)
        asked.request("GET", "/", headers={"Host": f"rebound.example:{port}"})
        assert asked.getresponse().status == 403
        assert serves(viewer)
    sentences = [str(one.message) for one in said if one.category is UserWarning]
    assert len(sentences) == 2
    assert "a page of 'https://evil.example' asked for the viewer" in sentences[0]
    assert "asked for as 'rebound.example" in sentences[1]


# What it outlives.


def test_whatever_is_sent_the_server_lives_on_and_says_little(viewer, capfd):
    port = viewer.server.get_port()
    for sent in (
        b"",
        b"\x00\xff\x16\x03\x01" * 50,
        b"GET / HTTP/1.1\r\nHost: ",
        b"GET /../../etc/passwd HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(sent)
    upgrade = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as stranger:  # half a handshake
        stranger.sendall(upgrade.encode())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for garbage in (b"", b"\xc1garbage", "text", b"\x80", b"\x81\xa4type\xa5bogus"):
            with connect(viewer) as connection:
                connection.send(garbage)
                with pytest.raises(ConnectionClosed):
                    read_on(connection)
        for version in ("viser-v0.0.1", "other"):
            with connect(viewer, protocol=version) as connection, pytest.raises(ConnectionClosed) as closed:
                connection.recv(20)
            assert closed.value.rcvd.code == 1002
        assert serves(viewer)
    sentences = [str(one.message) for one in said if one.category is UserWarning]
    assert len(sentences) == len(set(sentences))
    assert any("does not understand" in sentence for sentence in sentences)
    assert "".join(capfd.readouterr()) == ""


def test_a_client_that_leaves_in_the_middle_of_a_long_message_takes_nothing_along(viewer, capfd):
    viewer.add(*_layers(PointCloud(torch.rand(1_000_000, 3))))
    before = threading.active_count()
    for _ in range(3):
        connection = connect(viewer)
        connection.recv(20)
        connection.socket.shutdown(socket.SHUT_RDWR)
    assert serves(viewer)
    until(lambda: not viewer.server._websock_server._live_connections, "the connections that left were kept")
    assert threading.active_count() <= before + 4
    assert "".join(capfd.readouterr()) == ""


def test_ten_clients_at_once_all_get_the_scene(viewer):
    viewer.add(*_layers(PointCloud(torch.rand(1000, 3))))
    received = []

    def look() -> None:
        with connect(viewer) as connection:
            total = 0
            while total < 12_000:  # the points alone
                total += len(connection.recv(30))
            received.append(total)

    threads = [threading.Thread(target=look) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(received) == 10


def _layers(thing):
    from geokit.viewer.content import layers_of

    return layers_of(thing)


# How it ends.


def test_ctrl_c_ends_within_a_second_without_a_word(tmp_path):
    cloud = tmp_path / "cloud.xyz"
    cloud.write_text("\n".join(f"{i} {i * i} {i % 7}" for i in range(50)))
    command = [sys.executable, "-m", "geokit.cli.main", "view", str(cloud), "--port", "0", "--no-open"]
    process = started(command)
    line = process.stdout.readline()
    assert "the viewer is at http://127.0.0.1:" in line
    port = int(line.split("127.0.0.1:")[1].split(";")[0])
    with websockets.sync.client.connect(f"ws://127.0.0.1:{port}/", subprotocols=[PROTOCOL]) as connection:
        connection.recv(20)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 2.5  # one on an idle machine
    assert (process.returncode, out, err) == (0, "", "")


def test_ctrl_c_while_files_are_read_ends_too(tmp_path):
    script = (
        "import sys, time, geokit.viewer.content\n"
        "def read(*_): print('reading', flush=True); time.sleep(60)\n"
        "geokit.viewer.content.layers_of = read\n"
        "from geokit.cli.main import main\n"
        "sys.exit(main(['view', sys.argv[1], '--port', '0', '--no-open']))"
    )
    (tmp_path / "cloud.ply").write_text("")
    process = started([sys.executable, "-c", script, str(tmp_path / "cloud.ply")])
    assert process.stdout.readline().startswith("the viewer is at")
    assert process.stdout.readline() == "reading\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


# From Python.


def test_show_names_things_and_a_notebook_shows_the_page():
    with show({"cloud": PointCloud(torch.rand(9, 3)), "again": PointCloud(torch.rand(9, 3))}, port=0) as viewer:
        assert list(viewer.layers) == ["cloud", "again"]
        assert f'<iframe src="{viewer.url}"' in viewer._repr_html_()
        ended = threading.Thread(target=viewer.wait)
        ended.start()
    ended.join(5)
    assert not ended.is_alive()
    assert "closed" in viewer._repr_html_()
    viewer.close()


def test_an_empty_mapping_is_refused():
    with pytest.raises(InvalidInput, match="nothing to show"):
        show({}, port=0)

"""What a command says of a server that is no node: one line, never a traceback."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from chainnode.cli.desk import Desk
from chainnode.cli.main import main
from chainnode.errors import Unavailable
from chainnode.types.codes import NOT_READY


@pytest.fixture
def server() -> Iterator[Callable[[bytes], str]]:
    """Serves these bytes, whatever is asked, and gives the URL."""
    opened: list[socket.socket] = []

    def serve(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        opened.append(listener)

        def work() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        threading.Thread(target=work, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    for listener in opened:
        listener.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"SSH-2.0-a\r\n", "what comes is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<html>", "/v1/status is not JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "/v1/status is not JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe", "/v1/status is not JSON"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 6\r\n\r\n<html>", "HTTP status 404"),
    ],
)
def test_who_is_no_node_is_told_in_one_line(answer: bytes, words: str, server, capsys: pytest.CaptureFixture[str]) -> None:
    url = server(answer)
    assert main(["status", "--url", url]) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("chainnode: not-ready: ") and words in told.err and told.err.count("\n") == 1


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:26657",
        "localhost:26657",
        "http://",
        "http://127.0.0.1:abc",
        "http://a b",
        "http://[::1",
        "ftp://a",
        "file:///etc/hosts",
        "",
    ],
)
def test_what_is_no_url_is_wrong_use(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--url", url]) == 2
    assert f"{url!r} is no URL of a node, such as http://127.0.0.1:26657" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://node.example/", "http://[::1]:26657", "http://a.example:80/below/"])
def test_urls_of_nodes_are_taken(url: str) -> None:
    assert Desk(url).url == url.rstrip("/")


def test_a_node_that_is_not_there_is_told_without_the_library_s_words() -> None:
    with pytest.raises(Unavailable) as raised:
        Desk("http://127.0.0.1:1").get("/")
    assert (raised.value.code, raised.value.detail) == (NOT_READY, "http://127.0.0.1:1 does not answer: Connection refused")

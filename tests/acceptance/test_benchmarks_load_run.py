"""The load generator against real servers on the loopback interface: right, wrong, silent and rude ones."""

import itertools
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from benchmarks.load import Call, Result, exactly, run

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Answer = Callable[[socket.socket], bool]
"""Sends one answer; whether the connection stays open."""
Serve = Callable[[Answer], str]
CALL = Call.build("POST", "/", body=b"x", accepts=exactly(b"ok"))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that gives each request the same treatment; all of it is gone after the test."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []

        def start(answer: Answer) -> str:
            threads.append(threading.Thread(target=_accept, args=(listener, answer, threads), daemon=True))
            threads[0].start()
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield start
        listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(timeout=5)


def _accept(listener: socket.socket, answer: Answer, threads: list[threading.Thread]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threads.append(threading.Thread(target=_talk, args=(connection, answer), daemon=True))
        threads[-1].start()


def _talk(connection: socket.socket, answer: Answer) -> None:
    with connection:
        while connection.recv(65_536):
            if not answer(connection):
                return


def _send(data: bytes, *, stays: bool = True) -> Answer:
    def answer(connection: socket.socket) -> bool:
        connection.sendall(data)
        return stays

    return answer


def _run(origin: str, calls: Call | Iterator[Call] = CALL) -> Result:
    return run(origin, calls, connections=2, seconds=0.2, warmup_s=0.05, timeout_s=0.2)


def test_right_answers_are_counted_and_timed(serve: Serve) -> None:
    result = _run(serve(_send(OK)))
    assert result.valid
    assert 0 < result.p50_ms <= result.p99_ms <= result.max_ms
    assert result.calls_per_s == pytest.approx(result.calls / result.seconds, rel=0.01)


def test_an_answer_in_pieces_is_put_together(serve: Serve) -> None:
    def dribble(connection: socket.socket) -> bool:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (OK[:10], OK[10:-1], OK[-1:]):
            connection.sendall(piece)
        return True

    assert _run(serve(dribble)).valid


def test_a_server_that_closes_politely_is_connected_to_again(serve: Serve) -> None:
    result = _run(serve(_send(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), stays=False)))
    assert result.valid
    assert result.calls > 2


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (_send(OK[:-2] + b"no"), "wrong answer"),
        (_send(OK.replace(b"200", b"500")), "wrong answer: status 500"),
        (_send(OK + b"more"), "nobody asked for"),
        (_send(b"HTTP/1.1 200 OK\r\n\r\n"), "no Content-Length"),
        (_send(OK[:-1], stays=False), "closed the connection"),
        (_send(b"x" * 70_000), "longer than 65536 bytes"),
        (lambda _: True, "no answer came in time"),
    ],
)
def test_anything_else_voids_the_run(serve: Serve, answer: Answer, what: str) -> None:
    result = _run(serve(answer))
    assert not result.valid
    assert any(what in sample for sample in result.error_samples), result.error_samples
    assert len(result.error_samples) <= 5


def test_a_port_where_nobody_listens_voids_the_run() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        result = _run(f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert result.errors == 2
    assert "cannot connect" in result.error_samples[0]


def test_a_run_ends_though_the_server_never_reads() -> None:
    call = Call.build("POST", "/", body=bytes(20_000_000))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        result = _run(f"http://127.0.0.1:{listener.getsockname()[1]}", call)
    assert result.errors == 2
    assert "no answer came in time" in result.error_samples[0]


def test_each_call_of_an_iterable_is_sent_once(serve: Serve) -> None:
    seen: list[bytes] = []

    def remember(connection: socket.socket) -> bool:
        connection.sendall(OK)
        return True

    calls = (Call.build("GET", f"/{number}", accepts=lambda _, body: not seen.append(body)) for number in range(7))
    result = _run(serve(remember), itertools.islice(calls, 7))
    assert result.errors == 0
    assert seen == [b"ok"] * 7

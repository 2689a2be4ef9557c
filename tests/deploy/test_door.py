"""Who stands at the door when a worker of gunicorn ends: let in where nobody else would, left to the next where somebody keeps it open."""

import contextlib
import selectors
import socket
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from kartra_mirror import gunicorn

WAITING = 6


@pytest.fixture
def door():
    """The copy of the door that somebody else may have, with so many connections before it."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
        listener.setblocking(False)
        for _ in range(WAITING):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        yield listener


def master():
    server = SimpleNamespace(systemd=False, master_pid=0, LISTENERS=[])
    gunicorn.when_ready(server)
    return server


def worker(server, door, **settings):
    """One that lets people in, as it is behind the fork."""
    config = Config()
    for name, value in settings.items():
        config.set(name, value)
    begun = gunicorn.Worker(1, 1, [door.dup()], None, 30, config, None)
    begun.poller = selectors.DefaultSelector()
    begun.enqueue_req = lambda conn: conn.sock.close()
    gunicorn.post_fork(server, begun)
    begun.set_accept_enabled(True)
    return begun


def let_in(ending):
    """How many it lets in at its end."""
    ending.alive = False
    ending.set_accept_enabled(False)
    assert ending.sockets[0].fileno() == -1
    ending.poller.close()
    ending.tmp.close()
    return ending.nr_conns


def left_at(door):
    number = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            door.accept()[0].close()
            number += 1
    return number


def test_worker_whose_door_is_its_own_lets_all_in(door):
    assert let_in(worker(master(), door)) == WAITING


def test_worker_lets_in_no_more_than_it_may_hold(door):
    assert let_in(worker(master(), door, worker_connections=4)) == 4


@pytest.mark.parametrize("kept", ["socket of systemd's", "HUP", "USR2", "older master"])
def test_worker_leaves_who_stands_there_to_whoever_keeps_the_door_open(door, kept):
    server = master()
    server.systemd = kept == "socket of systemd's"
    server.master_pid = 7 if kept == "older master" else 0
    ending = worker(server, door)
    if kept == "HUP":
        gunicorn.on_reload(server)
    elif kept == "USR2":
        gunicorn.pre_exec(server)

    assert let_in(ending) == 0
    assert left_at(door) == WAITING


def test_worker_that_came_by_a_hup_lets_all_in_at_the_end(door):
    server = master()
    gunicorn.on_reload(server)
    assert let_in(worker(server, door)) == WAITING

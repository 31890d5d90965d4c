"""Poetry servers on loopback for the test of the example, one of each kind.

Prints a line "KIND PORT" for each, then serves until its standard input ends.
"""

import socket
import struct
import sys
import threading
import time

POEM = "Tyger Tyger, burning bright,\nIn the forests of the night;\n".encode()
HALF = POEM[: POEM.index(b"ts of the night")]

# Both have to be connected before either of the meeting servers sends.
meeting = threading.Barrier(2)


def slow(connection):
    for start in range(0, len(POEM), 3):
        connection.sendall(POEM[start : start + 3])
        time.sleep(0.002)


def early(connection):
    connection.sendall(HALF)


def empty(connection):
    pass


def reset(connection):
    connection.sendall(HALF)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def latin1(connection):
    connection.sendall("Demain, dès l'aube,\nà l'heure\n".encode("latin-1"))


def meet(connection):
    # Rather than wait for ever for a client that connects to one at a time.
    meeting.wait(timeout=30)
    connection.sendall(POEM)


def listen(kind, serve):
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, args=(listener, serve), daemon=True).start()
    announce(kind, listener)


def accept(listener, serve):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection, serve), daemon=True).start()


def answer(connection, serve):
    with connection:
        serve(connection)


def announce(kind, bound):
    print(kind, bound.getsockname()[1], flush=True)


def main():
    # Bound and not listening: connections are refused, and the port stays ours.
    refusing = socket.socket()
    refusing.bind(("127.0.0.1", 0))
    announce("refusing", refusing)
    for serve in (slow, early, empty, reset, latin1):
        listen(serve.__name__, serve)
    for kind in ("meet_a", "meet_b"):
        listen(kind, meet)
    print("ready", 0, flush=True)
    sys.stdin.read()


main()

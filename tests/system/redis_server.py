"""How tests find a port for a redis of their own, and talk to it."""
import socket


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def ask_redis(port, words):
    """Its answer to one command, or None."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(words.encode() + b"\r\n")
            return connection.recv(1000)
    except OSError:
        return None

"""nginx with the nchan module, as Debian packages them, with a configuration of its own."""

import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

__all__ = ["NchanPublisher", "free_port", "nchan", "nginx"]

MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
INSTALL = "apt-get install nginx-light libnginx-mod-nchan"
START_SECONDS = 10

# One worker, as Tocsin is one process. Events are written to no disk and no log.
_CONFIG = """
load_module {module};
worker_processes 1;
worker_rlimit_nofile {files};
daemon off;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 16384; use epoll; multi_accept on; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    tcp_nodelay on;
    keepalive_requests 1000000;
    client_body_buffer_size 64k;
    nchan_shared_memory_size 256M;
    nchan_message_buffer_length {messages};
    nchan_message_timeout 10m;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /publish {{ nchan_publisher http; nchan_channel_id bench; }}
        location = /live {{
            nchan_subscriber eventsource;
            nchan_channel_id bench;
            nchan_subscriber_first_message newest;
        }}
        location = /replay {{
            nchan_subscriber eventsource;
            nchan_channel_id bench;
            nchan_subscriber_first_message oldest;
        }}
    }}
}}
"""


def free_port() -> int:
    """Return a port of the loopback interface that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def nginx(module: Path = MODULE) -> str:
    """Return nginx's path.

    Raises:
        RuntimeError: it is not installed, or its module is not.
    """
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None or not module.exists():
        raise RuntimeError(f"the stream is measured against nginx with nchan: run {INSTALL}")
    return program


@contextmanager
def nchan(files: int, buffered_messages: int) -> Iterator[tuple[int, int]]:
    """Run nginx; yield its port and its worker's process id.

    Raises:
        RuntimeError: nginx or its module is not installed, or it does not start.
    """
    program = nginx()
    with tempfile.TemporaryDirectory() as folder:
        port, config = free_port(), Path(folder, "nginx.conf")
        config.write_text(
            _CONFIG.format(
                module=MODULE, folder=folder, port=port, files=files, messages=buffered_messages
            )
        )
        command = [program, "-e", "stderr", "-p", folder, "-c", str(config)]
        with subprocess.Popen(command) as master:  # noqa: S603
            try:
                yield port, _worker(master, port)
            finally:
                master.terminate()


def _worker(master: subprocess.Popen[bytes], port: int) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and master.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return int(psutil.Process(master.pid).children()[0].pid)
        except (OSError, IndexError):
            time.sleep(0.05)
    raise RuntimeError("nginx did not start: see what it says above")


class NchanPublisher:
    """Publishes over one connection that is kept open, without waiting for answers."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._refused = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def publish(self, messages: Sequence[bytes]) -> None:
        """POST the messages, one after the other.

        Raises:
            RuntimeError: one was refused.
        """
        self._socket.sendall(
            b"".join(
                b"POST /publish HTTP/1.1\r\nHost: bench\r\nX-EventSource-Event: agent_event\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(each), each)
                for each in messages
            )
        )
        if self._refused:
            raise RuntimeError("nchan refused a message")

    def close(self) -> None:
        """Disconnect."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()

    def _read(self) -> None:
        while answer := self._socket.recv(65_536):
            self._refused = self._refused or b"HTTP/1.1 4" in answer or b"HTTP/1.1 5" in answer

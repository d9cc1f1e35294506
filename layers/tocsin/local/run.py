"""Run the product from beginning to end: what ``tocsin up`` does."""

import asyncio
import os
import resource
import secrets
import stat
import time
from collections.abc import Mapping
from pathlib import Path

import tocsin
from tocsin.local import access, addresses, sockets
from tocsin.local.child import Child
from tocsin.local.functions import QUEUES
from tocsin.local.layout import DYNAMODB, GATEWAY, Layout
from tocsin.local.lock import lock_home
from tocsin.local.parts import environment, parts, without_aws
from tocsin.local.screen import Screen
from tocsin.local.supervisor import StartFailed, Supervisor

__all__ = ["CannotStart", "PortTaken", "find_checkout", "make_folders", "run"]

_TAIL_LINES = 15
_OPEN_FILES = 10_240  # accepted by macOS, and two for each of 5,000 viewers


class CannotStart(Exception):
    """Something that must be there is missing; the message says what to do."""


class PortTaken(CannotStart):
    """Another program listens on the public port."""


def find_checkout() -> Path:
    """Return the repository that this package is part of.

    Raises:
        CannotStart: it was installed without its repository, or MiniStack is not installed.
    """
    checkout = Path(tocsin.__file__).parents[2]
    if not (checkout / "functions" / "ingest" / "handler.py").is_file():
        raise CannotStart(
            "`tocsin up` runs the very functions that are deployed, and they are not part of this "
            "installation: clone the repository and run `make up` in it"
        )
    if not (checkout / ".venv-ministack" / "bin" / "ministack").is_file():
        raise CannotStart(f"MiniStack is not installed: run `make up` in {checkout}")
    return checkout


def run(port: int, home: Path) -> int:
    """Run until a signal ends it; returns the exit status.

    Raises:
        CannotStart: nothing was started; the message says why.
        HomeTaken: another run has this home.
    """
    checkout = find_checkout()
    make_folders(home)
    _allow_many_connections()
    try:
        lock = lock_home(home)
    except OSError as error:
        raise CannotStart(f"{home / 'lock'} can't be used ({error.strerror}): remove it") from error
    with sockets.folder(home) as folder:
        layout = Layout(home, _ports(port), folder, key=secrets.token_hex(16))
        return _run(layout, checkout, lock)


def _run(layout: Layout, checkout: Path, lock: int) -> int:
    began, began_at = time.monotonic(), time.time()
    home = layout.home
    children = _children(layout, checkout, lock)
    screen = Screen()
    supervisor = Supervisor(layout, children, screen, lambda: _prepare(layout))

    def ready() -> None:
        token = access.read_token(home) or ""
        screen.ready(layout.url(GATEWAY), token, home, time.monotonic() - began)

    try:
        asyncio.run(supervisor.run(ready))
    except StartFailed as failure:
        screen.problem(str(failure), _tail(failure.log))
        return 1
    if supervisor.was_ready and not _saved(layout, began_at):
        screen.problem(f"The state was not saved; the end of {layout.log(DYNAMODB)}:")
        screen.say(*_tail(layout.log(DYNAMODB)))
        return 1
    screen.say(f"Stopped. The state is in {home}.")
    return 0


def make_folders(home: Path) -> None:
    """Make the home and the folder of the logs, for this user alone, whoever made the home.

    Raises:
        CannotStart: they can't be made, or the home is another user's or everybody's.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_private(home)
        (home / "logs").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise CannotStart(
            f"the state can't be kept in {home} ({error.strerror}): choose another folder with "
            "TOCSIN_HOME (--home)"
        ) from error


def _make_private(home: Path) -> None:
    found = home.stat()
    if found.st_uid != os.getuid():
        raise CannotStart(
            f"{home} belongs to another user, who could read and change what is in it: choose "
            "another folder with TOCSIN_HOME (--home)"
        )
    if found.st_mode & stat.S_ISVTX:
        raise CannotStart(
            f"{home} is a folder for everybody's files: choose a folder in it with TOCSIN_HOME "
            "(--home)"
        )
    home.chmod(0o700)


def _allow_many_connections() -> None:
    """Let the parts have as many open sockets as the system allows; shells often say 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _ports(port: int) -> Mapping[str, int]:
    try:
        public = addresses.reserve(port)
    except OSError as error:
        raise PortTaken(
            f"port {port} can't be used ({error.strerror}): stop what listens there, or choose "
            "another port with TOCSIN_PORT (--port), for example TOCSIN_PORT=8485 make up"
        ) from error
    # The AWS SDK speaks no unix sockets.
    return {**addresses.reserve_free([DYNAMODB]), GATEWAY: addresses.keep(public)}


def _children(layout: Layout, checkout: Path, lock: int) -> dict[str, Child]:
    """Make the parts' processes; add what they see to this process's environment, too."""
    inherited = without_aws(os.environ)
    os.environ.clear()
    os.environ |= inherited | layout.env  # the tables are made from here
    return {
        part.name: Child(
            part,
            environment(layout, part, checkout, inherited),
            _fresh(layout.log(part.name)),
            keep_open=(lock,) if part.name == DYNAMODB else (),
        )
        for part in parts(layout, checkout)
    }


def _fresh(log: Path) -> Path:
    """Move the last run's log aside; return the path."""
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    return log


def _saved(layout: Layout, since: float) -> bool:
    """Whether the emulator wrote the tables since a Unix time; it does so when it ends."""
    try:
        return (layout.state / "dynamodb.json").stat().st_mtime >= since
    except FileNotFoundError:
        return False


def _tail(log: Path | None) -> list[str]:
    if log is None or not log.exists():
        return []
    return log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]


def _prepare(layout: Layout) -> None:
    """Make the tables, the queues, the org and the key, and write to a file how to use them."""
    # Half a second of imports, for which the parts need not wait.
    from tocsin.adapters import sqs
    from tocsin.adapters.dynamodb import client
    from tocsin.bootstrap.admin import wire
    from tocsin.local import queues, tables
    from tocsin.settings import StoreSettings

    client_of_queues = sqs.client()
    for queue, receives in QUEUES.items():
        queues.create(client_of_queues, layout.queue(queue), receives)
    tables.create(client(), StoreSettings())
    admin = wire()
    now_ms = admin.clock.now_ms()
    token = access.admit(admin.keys, admin.orgs, access.read_token(layout.home), now_ms)
    access.write_access(layout.home, layout.url(GATEWAY), token, layout.tables)

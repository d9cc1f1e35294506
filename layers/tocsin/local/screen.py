"""What the user of ``tocsin up`` sees."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

__all__ = ["Screen"]


_LOST = (
    "  It stands for a durable service, but saves the tables only when it is stopped: what was "
    "stored\n  since the last start is lost, and the other parts begin again with what was saved."
)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Go on silently: the product does not stop because nobody reads its output."""
        self.quiet = True


class Screen:
    """Lines on a terminal; commands that are to be copied are neither wrapped nor decorated."""

    def __init__(self, console: Console | None = None) -> None:
        """Print on ``console``; None: on standard output."""
        self._console = console or _Console(soft_wrap=True, highlight=False)

    def say(self, *lines: Text | str) -> None:
        """Print lines; a terminal that is gone is no error."""
        with contextlib.suppress(OSError):
            for line in lines:
                self._console.print(line, markup=False)
            self._console.file.flush()

    @contextlib.contextmanager
    def starting(self, names: Iterable[str]) -> Iterator[None]:
        """Show that the parts are being started."""
        text = f"Starting {', '.join(names)} …"
        if not self._console.is_terminal:
            self.say(text)
            yield
            return
        with self._console.status(text):
            yield

    def ready(self, url: str, token: str, home: Path, seconds: float) -> None:
        """Say where everything is, and what to try first."""
        key = f"-H 'Authorization: Bearer {token}'"
        event = '{"type": "tool_call", "toolName": "search", "action": "allow"}'
        self.say(
            "",
            Text(f"Tocsin is ready ({seconds:.1f} s).", "bold green"),
            "",
            _labelled("URL", f"{url} (the dashboard: sign in with the key)"),
            _labelled("Admin key", token),
            _labelled("State", f"{home} (output of the parts: {home / 'logs'})"),
            "",
            Text("Watch, in a second terminal:", "bold"),
            f"  curl -N {key} -H 'Accept: text/event-stream' {url}/api/v1/events",
            "",
            Text("Send an event, in a third:", "bold"),
            f"  curl {key} -H 'Content-Type: application/json' -d '{event}' "
            f"{url}/api/v1/ingest/raw",
            "",
            Text("Ctrl-C stops everything and saves the state.", "dim"),
            "",
        )

    def died(self, name: str, how: str, *, lost: bool = False) -> None:
        """Name a part that ended by itself; ``lost`` says that data in its memory is lost."""
        self.say(Text.assemble((f"{name} {how}", "bold yellow"), "; starting it again"))
        if lost:
            self.say(Text(_LOST, "yellow"))

    def back(self, names: Iterable[str]) -> None:
        """Say that everything is ready again, after these parts had died."""
        self.say(Text(f"ready again: {', '.join(names)}", "green"))

    def stopping(self) -> None:
        """Say that the parts are being stopped."""
        self.say(Text("Stopping, and saving the state …", "dim"))

    def problem(self, text: str, log_tail: Iterable[str] = ()) -> None:
        """Say what went wrong, with the last lines of the part's output."""
        self.say(Text(text, "bold red"), *(Text(f"  {line}", "dim") for line in log_tail))


def _labelled(label: str, value: str) -> Text:
    return Text.assemble((f"  {label:<10}", "dim"), value)

"""A call that waits to be decided: by policies, and where they ask, by a person.

Whatever happens while it waits, it is let go only when Tocsin has said so in answer to this very
call. Whoever settles it first has settled it: the decision, the client that cancels, its user who
declines.
"""

import time
from collections.abc import Callable
from enum import StrEnum
from secrets import token_hex
from threading import Event, Lock, Thread
from typing import Any, Final

from tocsin.cli.mcp.policies import Away, Policies, Question, Said
from tocsin.cli.mcp.rulings import REFUSED, Asker, Pass, Reply, error

__all__ = ["Elicit", "Held"]

_POLL_SECONDS: Final = 5.0
_AWAY_SECONDS: Final = 60.0  # without an answer about the approval
_PAUSE_SECONDS: Final = 1.0  # after a question without an answer
_STEP: Final = 1e-6  # of progress, which must grow, and leaves the server's own room to


class Elicit(StrEnum):
    """What the client's user is asked where a policy asks."""

    NO = "no"
    CONFIRM = "confirm"  # a no refuses; a yes is no approval
    DECIDE = "decide"  # a yes approves, with that person's own key


class Held(Thread):
    """One call. ``id`` is the request's."""

    def __init__(
        self,
        policies: Policies,
        question: Question,
        id: Any,
        asker: Asker,
        body: bytes | None,
        *,
        refused: Callable[[str, dict[str, Any]], None],
        over: Callable[["Held"], None],
        fail_open: bool,
        elicit: Elicit,
        ask_user: Callable[["Held", str, str], Reply | None] | None,
        progress: str | int | float | None,
        approval: str = "",
        continued: bool = False,
        confirmed: bool = False,
    ) -> None:
        """Decide about ``question`` and let ``body`` go.

        Args:
            policies: Tocsin.
            question: The call.
            id: The request's.
            asker: The client.
            body: What goes to the server; None: what came.
            refused: Records a call that is not let go, by its outcome and what else there is.
            over: Called last.
            fail_open: Whether the call is let go where Tocsin says nothing at all.
            elicit: What the client's user is asked.
            ask_user: Asks, by the approval's id and a text; returns the reply to the request where
                the client is to call again; None: the client can't ask.
            progress: The token for progress.
            approval: The one that was made when this call came before.
            continued: Whether it was let go before, and the server asked for input.
            confirmed: Whether the client's user has said yes.
        """
        super().__init__(name="tocsin-held", daemon=True)
        self._policies = policies
        self._question = question
        self.id = id
        self._asker = asker
        self._body = body
        self._refused = refused
        self._over = over
        self._fail_open = fail_open
        self._elicit = elicit
        self._ask_user = ask_user
        self._progress = progress
        self._approval = approval
        self._continued = continued
        self._confirmed = confirmed
        self._told = 0
        self._lock = Lock()
        self._settled = False
        self._changed = Event()
        self._done = Event()
        self._closing = False
        self.elicited: str | None = None  # the id of the open request to the client

    def run(self) -> None:
        """Decide."""
        try:
            ruling, outcome = self._decided()
        except Exception as bug:  # whatever it is: nothing is let go
            ruling, outcome = self._no("undecided", f"the call could not be decided ({bug!r})")
        self._settle(ruling, outcome)

    def cancel(self) -> None:
        """Take the client's word that it waits no longer; it gets no answer."""
        self._settle(Reply(), "cancelled")

    def close(self) -> None:
        """Wait for no person any more."""
        self._closing = True
        if self._approval:
            self.cancel()

    def wait(self, seconds: float) -> None:
        """Wait so long until it is settled, and its client knows."""
        self._done.wait(seconds)

    def answered(self, action: Any) -> None:
        """Take what the client's user has answered."""
        self.elicited = None
        if action != "accept":
            self._settle(*self._no("declined", "the user has declined this call"))
        elif self._elicit is Elicit.DECIDE:
            Thread(target=self._approve, name="tocsin-approve", daemon=True).start()

    def _decided(self) -> tuple[Pass | Reply, str]:
        try:
            if self._approval:
                return self._wait(self._approval)
            if self._continued:
                said = self._policies.look(self._question)
                # It was approved when it began, where policies ask.
                return self._go() if said.allowed or said.asks else self._denied(said)
            said = self._policies.decide(self._question)
        except Away as away:
            return self._undecided(away)
        if said.allowed:
            return self._go()
        return self._wait(said.approval) if said.approval else self._denied(said)

    def _wait(self, approval: str) -> tuple[Pass | Reply, str]:
        """Wait for a person's decision."""
        self._approval = approval
        if self._elicit is not Elicit.NO and self._ask_user and not self._confirmed:
            reply = self._ask_user(self, approval, self._says())
            if reply is not None:
                return reply, "input_required"
        if self._confirmed and self._elicit is Elicit.DECIDE:
            self._approve()
        heard = time.monotonic()
        while not self._settled:
            if self._closing:
                return Reply(), "cancelled"
            self._show()
            try:
                found = self._policies.approval(approval, _POLL_SECONDS)
            except Away as away:
                if time.monotonic() - heard > _AWAY_SECONDS:
                    return self._undecided(away)
                self._changed.wait(_PAUSE_SECONDS)
                continue
            heard = time.monotonic()
            if found.approved:
                return self._used()
            if found.status == "expired":
                return self._no(
                    "approval_expired",
                    f"nobody has approved this call in time: call again, and have it approved "
                    f"({approval})",
                )
            if found.approved is False:
                why = found.fields.get("resolved_reason")
                because = f": {why}" if isinstance(why, str) and why else ""
                return self._no("approval_denied", f"a person has denied this call{because}")
        return Reply(), "cancelled"

    def _approve(self) -> None:
        """Give the user's answer with the user's key; the wait ends by that."""
        try:
            self._policies.approve(self._approval)
        except Away as away:
            why = f"the approval could not be given with the user's key ({away})"
            self._settle(*self._no("undecided", why))

    def _used(self) -> tuple[Pass | Reply, str]:
        """Use the approval: only who is told now that the call is allowed may make it."""
        try:
            said = self._policies.decide(self._question)
        except Away as away:
            return self._undecided(away)
        if said.allowed:
            return self._go()
        if said.asks:
            return self._no("undecided", "the approval was used by another call: call again")
        return self._denied(said)

    def _go(self) -> tuple[Pass | Reply, str]:
        return Pass(self._body), ""

    def _denied(self, said: Said) -> tuple[Pass | Reply, str]:
        instead = f" Instead: {'; '.join(said.suggestions)}." if said.suggestions else ""
        outcome = "session_suspended" if said.suspended else "denied"
        why = (said.message or "no more is said").rstrip(".")
        return self._no(outcome, f"Tocsin denies this call: {why}.{instead}")

    def _undecided(self, away: Away) -> tuple[Pass | Reply, str]:
        if self._fail_open and not self._approval:
            return self._go()
        return self._no(
            "undecided",
            f"Tocsin can't decide about this call ({away}), and without that it is not made: "
            "call again when Tocsin can be reached",
        )

    def _no(self, outcome: str, message: str) -> tuple[Reply, str]:
        data = {"reason": outcome, "session": self._question.session}
        more = {"approval": self._approval} if self._approval else {}
        return Reply(error(self.id, REFUSED, message, **data, **more)), outcome

    def _says(self) -> str:
        return (
            f"{self._question.tool} waits for an approval: `tocsin approvals approve "
            f"{self._approval}`, or Tocsin's dashboard"
        )

    def _show(self) -> None:
        """Tell the client that the call waits."""
        if self._progress is None:
            return
        self._told += 1
        params = {
            "progressToken": self._progress,
            "progress": self._told * _STEP,
            "message": self._says(),
        }
        self._tell({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})

    def _tell(self, message: dict[str, Any]) -> None:
        with self._lock:  # nothing is told of a call that is settled
            if not self._settled:
                self._asker.tell(message)

    def elicits(self, message: str) -> str:
        """Send the client a request for its user's answer; return the request's id."""
        self.elicited = f"tocsin-{token_hex(16)}"
        schema = {"type": "object", "properties": {}}
        self._tell(
            {
                "jsonrpc": "2.0",
                "id": self.elicited,
                "method": "elicitation/create",
                "params": {"message": message, "requestedSchema": schema},
            }
        )
        return self.elicited

    def _settle(self, ruling: Pass | Reply, outcome: str) -> None:
        with self._lock:
            if self._settled:
                return
            if self.elicited is not None:
                params = {"requestId": self.elicited, "reason": "it is decided"}
                self._asker.tell(
                    {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
                )
            self._settled = True
        self._changed.set()
        if isinstance(ruling, Reply):
            self._refused(outcome, {"approval_id": self._approval} if self._approval else {})
        self._over(self)
        self._asker.settled(ruling)
        self._done.set()

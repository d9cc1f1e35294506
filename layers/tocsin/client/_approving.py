"""Asking a person about a call, and answering."""

from typing import Unpack

from tocsin.client._approvals import (
    Approval,
    ApprovalLinks,
    AskOptions,
    asked,
    decided,
    linked,
    one,
    pages,
    question,
    resolution,
)
from tocsin.client._asking import Asking, AsyncAsking

__all__ = ["Approving", "AsyncApproving"]


class Approving(Asking):
    """A client's methods of approvals."""

    def ask(self, tool: str, agent: str, message: str, **options: Unpack[AskOptions]) -> Approval:
        """Ask a person whether a call may be made; :meth:`decision` waits for the answer.

        Args:
            tool: What would be called.
            agent: Who would call it.
            message: What the person is asked.
            options: What else there is to know (:class:`AskOptions`), as in
                ``command="rm -rf build", ttl=600``. With the ``tool_call_id`` of a call that waits
                already, it is that call's approval that is returned.

        Returns:
            The approval. It may be approved already: by a rule, or by a grant for the run.

        Raises:
            ApiError: Tocsin refused, for example because too many calls wait.
            httpx.TransportError: Tocsin can't be reached.
        """
        return self._run(one(asked(tool, agent, message, options)))

    def approvals(self) -> list[Approval]:
        """Return the calls that wait for a person, oldest first.

        Raises what :meth:`ask` raises.
        """
        return self._run(pages())

    def approval(self, id: str) -> Approval:
        """Return one approval; raises what :meth:`ask` raises."""
        return self._run(one(question("GET", id)))

    def resolve(
        self, id: str, *, approved: bool, persist: bool = False, reason: str = ""
    ) -> Approval:
        """Answer an approval; with ``persist`` a yes is remembered for this agent and call.

        The ``reason`` is for whoever asked, and stands in the event that tells of it.

        Raises:
            ApiError: Tocsin refused. Its ``status`` is 410 if it was resolved before, also by a
                try of this very call whose answer was lost, or if it has expired.
            httpx.TransportError: Tocsin can't be reached.
        """
        return self._run(one(resolution(id, approved, persist, reason)))

    def approval_links(self, id: str) -> ApprovalLinks:
        """Return links to both answers of an approval, for people without a key.

        The key is one that may answer itself. The same links are returned each time.

        Raises:
            ApiError: Tocsin refused. Its ``status`` is 409 where no public URL is set, 410 if it
                was resolved before or has expired.
            httpx.TransportError: Tocsin can't be reached.
        """
        return self._run(linked(id))

    def decision(self, id: str, timeout_seconds: float | None = None) -> Approval:
        """Wait until an approval is decided, and return it.

        After ``timeout_seconds`` it is returned as it is, with ``approved`` None.

        Raises what :meth:`ask` raises.
        """
        return self._run(decided(id, timeout_seconds))


class AsyncApproving(AsyncAsking):
    """The same for asyncio."""

    async def ask(
        self, tool: str, agent: str, message: str, **options: Unpack[AskOptions]
    ) -> Approval:
        """Ask a person whether a call may be made; see :meth:`Client.ask`."""
        return await self._run(one(asked(tool, agent, message, options)))

    async def approvals(self) -> list[Approval]:
        """Return the calls that wait for a person; see :meth:`Client.approvals`."""
        return await self._run(pages())

    async def approval(self, id: str) -> Approval:
        """Return one approval; see :meth:`Client.approval`."""
        return await self._run(one(question("GET", id)))

    async def resolve(
        self, id: str, *, approved: bool, persist: bool = False, reason: str = ""
    ) -> Approval:
        """Answer an approval; see :meth:`Client.resolve`."""
        return await self._run(one(resolution(id, approved, persist, reason)))

    async def approval_links(self, id: str) -> ApprovalLinks:
        """Return links to both answers of an approval; see :meth:`Client.approval_links`."""
        return await self._run(linked(id))

    async def decision(self, id: str, timeout_seconds: float | None = None) -> Approval:
        """Wait until an approval is decided; see :meth:`Client.decision`."""
        return await self._run(decided(id, timeout_seconds))

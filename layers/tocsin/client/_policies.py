"""Policies: what agents may call, seen, tested and set."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from tocsin.client._asking import Asking, AsyncAsking, Flow, Question, one, path

__all__ = ["AsyncPolicies", "Policies", "PoliciesApi"]

_POLICIES: Final = "/api/v1/policies"


@dataclass(frozen=True, slots=True)
class Policies:
    """An org's policies, in Cedar; ``fields`` is all that Tocsin said of them."""

    version: int
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Return them as Tocsin's answers have them; raises KeyError or TypeError: it is none."""
        return cls(fields["version"], fields["policies"], fields)


class PoliciesApi(Asking):
    """A client's methods of policies."""

    def policies(self, version: int | None = None) -> Policies:
        """Return the org's policies, or an earlier version; 0: what comes with Tocsin.

        Raises:
            ApiError: Tocsin refused.
            httpx.TransportError: Tocsin can't be reached.
        """
        return self._run(_shown(version))

    def set_policies(self, text: str, version: int | None = None) -> Policies:
        """Make these the org's; needs the scope ``admin``.

        With the ``version`` that they take the place of, an ApiError's ``status`` is 409 if that is
        not the last one any more, also by a try of this very call whose answer was lost.
        """
        return self._run(_set(text, version))

    def check_policies(self, text: str) -> int:
        """Return how many policies a text has; ApiError says what is wrong. Nothing changes."""
        return self._run(_checked(text))

    def test_policies(
        self, calls: Iterable[Mapping[str, Any]], text: str | None = None
    ) -> list[Mapping[str, Any]]:
        """Return what the org's policies, or these, say of each call, and if it is ``ok``.

        A call is as in ``{"tool": "exec", "params": {"command": "ls"}, "expect": "allow"}``.
        """
        return self._run(_tested(calls, text))


class AsyncPolicies(AsyncAsking):
    """The same for asyncio; see :class:`Client`'s methods."""

    async def policies(self, version: int | None = None) -> Policies:
        """Return the org's policies, or an earlier version."""
        return await self._run(_shown(version))

    async def set_policies(self, text: str, version: int | None = None) -> Policies:
        """Make these the org's."""
        return await self._run(_set(text, version))

    async def check_policies(self, text: str) -> int:
        """Return how many policies a text has."""
        return await self._run(_checked(text))

    async def test_policies(
        self, calls: Iterable[Mapping[str, Any]], text: str | None = None
    ) -> list[Mapping[str, Any]]:
        """Return what the org's policies, or these, say of each call."""
        return await self._run(_tested(calls, text))


def _shown(version: int | None) -> Flow[Policies]:
    params = None if version is None else {"version": str(version)}
    return one(Question("GET", _POLICIES, params), Policies.from_fields, "policies")


def _set(text: str, version: int | None) -> Flow[Policies]:
    body = {"policies": text} | ({} if version is None else {"version": version})
    return one(Question("PUT", _POLICIES, body=body), Policies.from_fields, "policies")


def _checked(text: str) -> Flow[int]:
    question = Question("PUT", _POLICIES, {"dry_run": "true"}, {"policies": text})
    return one(question, lambda body: int(body["count"]), "policies")


def _tested(calls: Iterable[Mapping[str, Any]], text: str | None) -> Flow[list[Mapping[str, Any]]]:
    body: dict[str, Any] = {"calls": list(calls)} | ({} if text is None else {"policies": text})
    question = Question("POST", path(_POLICIES, "test"), body=body)
    return one(question, lambda body: list(body["results"]), "results")

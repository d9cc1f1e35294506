"""Signed links: made by who may resolve an approval, used by whoever they are sent to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from tocsin.domain.approvals import Approval, Status, Step, is_id
from tocsin.domain.errors import Conflict, Forbidden, NotFound, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.links import SIGNED_LINK, Link, new_secret
from tocsin.domain.org import check_active
from tocsin.ports.orgs import Orgs
from tocsin.services.access.access import Access
from tocsin.services.approvals import telling
from tocsin.services.approvals.deciding import Deciding, Resolve, check_resolver, expired, over
from tocsin.services.approvals.steps import Steps

__all__ = ["Linking", "Links"]


@dataclass(frozen=True, slots=True)
class Links:
    """The links to both answers of an approval that waits until ``expires_at_ms``."""

    approve: Link
    deny: Link
    expires_at_ms: int
    public_url: str


class Linking:
    """The use cases of signed links. Everything blocks."""

    def __init__(
        self,
        steps: Steps,
        deciding: Deciding,
        access: Access,
        orgs: Orgs,
        public_url: str | None,
    ) -> None:
        """``public_url`` is where people reach Tocsin; without it no links are made."""
        self._steps = steps
        self._deciding = deciding
        self._access = access
        self._orgs = orgs
        self._public_url = public_url

    def make(self, key: ApiKey, id: str) -> Links:
        """Return the links of an approval that waits: of a key the same ones each time.

        Whoever they are given to is told of by an event, and stands beside what is decided by them.
        They end with the key.

        Raises:
            Conflict: the deployment has no public address.
            NotFound, Forbidden, Over, Busy: as :meth:`.Deciding.resolve`.
        """
        if self._public_url is None:
            raise Conflict(
                "links need the address that people open them at: set TOCSIN_PUBLIC_URL "
                "(public_url of a deployment)"
            )
        if not is_id(id):
            raise NotFound("there is no such approval")
        seen: list[Approval] = []

        def plan(found: Mapping[str, Approval], now_ms: int) -> Step:
            approval = found.get(id)
            if approval is None:
                raise NotFound("there is no such approval")
            check_resolver(key, approval)
            if not approval.pending:
                raise over(approval)
            if approval.overdue(now_ms):
                return expired(approval, now_ms)
            if approval.link_secret and approval.linked_by == key.holder:
                seen[:] = [approval]
                return Step()
            secret = approval.link_secret or new_secret()
            linked = replace(approval, link_secret=secret, linked_by=key.holder)
            event = telling.linked(linked)
            return Step(approvals=(linked,), was={id: approval.change}, events=(event,))

        [approval] = self._steps.take(key.org, [id], plan).approvals or seen
        if approval.status is Status.EXPIRED:
            raise over(approval)
        return Links(
            approve=Link.of(approval, approved=True, key_id=key.id),
            deny=Link.of(approval, approved=False, key_id=key.id),
            expires_at_ms=approval.expires_at_ms,
            public_url=self._public_url,
        )

    def look(self, link: Link) -> Approval:
        """Return the approval that a link is about, if it still waits; changes nothing.

        Raises:
            Forbidden: the link opens nothing, or its key does not work; or OrgSuspended.
            Over: it was resolved before, or has expired.
        """
        approval = self._opened(link, self._steps.store.get(link.org, [link.id]).get(link.id))
        now = approval.after(self._steps.clock.now_ms())
        if not now.pending:
            raise over(now)
        return approval

    def resolve(self, link: Link, claimed_by: str = "") -> Approval:
        """Resolve an approval as its link says, if it still waits.

        Raises:
            Forbidden: as :meth:`look`.
            Over, Busy: as :meth:`.Deciding.resolve`.
        """
        wanted = Resolve(approved=link.approved, claimed_by=claimed_by)
        return self._deciding.decide(
            link.org, link.id, wanted, by=SIGNED_LINK, checked=partial(self._opened, link)
        )

    def _opened(self, link: Link, approval: Approval | None) -> Approval:
        """Return the approval of a link, as linked by who made this one."""
        found = link.opened(approval)
        check_active(self._orgs.get(link.org))
        if not link.key_id:
            return found
        try:
            key = self._access.authorize_key(link.org, link.key_id, Scope.APPROVE)
        except Unauthenticated as error:
            raise Forbidden(
                "this link does not work any more, as the API key that it was made with: ask for "
                "another"
            ) from error
        return replace(found, linked_by=key.holder)

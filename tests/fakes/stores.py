"""The stores in memory."""

import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from tocsin.domain.agents import AgentState
from tocsin.domain.approvals import Approval, Grant, Rule, Step
from tocsin.domain.batch import Batch, StoredBatch, UnreadableBatch
from tocsin.domain.budgets import Budget
from tocsin.domain.detect.anomaly import Anomaly
from tocsin.domain.detect.cursor import Cursor
from tocsin.domain.detect.kept import KeptSettings
from tocsin.domain.errors import HeadMoved, IntegrityError
from tocsin.domain.ids import batch_time_ms
from tocsin.domain.keys import ApiKey
from tocsin.domain.merkle import Node
from tocsin.domain.org import Org
from tocsin.domain.passes import Kind, Pass
from tocsin.domain.policy import Policies
from tocsin.domain.privacy import KeptPrivacy
from tocsin.domain.projection import CALLS, Change, Item, Projected, place_of
from tocsin.domain.receipt import Receipt
from tocsin.domain.segment import Head, Markers, Segment
from tocsin.domain.sessions import SessionState
from tocsin.domain.set_aside import SetAsideItem
from tocsin.domain.stretches import Made
from tocsin.domain.subjects import KeptSubject, SubjectKey
from tocsin.domain.tree import Checkpoint, LogKey, Tree
from tocsin.ports.evidence import MOST_NODES
from tocsin.ports.intake import MOST_TOGETHER
from tocsin.ports.log import Journal
from tocsin.ports.privacy import Subjects


class FakeClock:
    """Time that moves when a test says so."""

    def __init__(self, now_ms: int = 1_774_000_000_000) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms


class FakeReceipts:
    def __init__(self, journal: Journal | None = None) -> None:
        self.receipts: dict[tuple[str, str], Receipt] = {}
        self.journal = journal or FakeJournal()
        self.one_at_a_time = threading.Lock()

    def put(self, receipt: Receipt, now_ms: int, *, instead_of: str = "") -> Receipt:
        standing = self.find(receipt.org, receipt.key, now_ms)
        if standing is None or standing.batch_id == instead_of:
            standing = self.receipts[receipt.org, receipt.key] = receipt
        return standing

    def find(self, org: str, key: str, now_ms: int) -> Receipt | None:
        receipt = self.receipts.get((org, key))
        return receipt if receipt and receipt.expires_at > now_ms // 1000 else None

    def put_with(
        self, receipts: Sequence[Receipt], batch: Batch, packed: bytes, now_ms: int
    ) -> bool:
        assert len(receipts) <= MOST_TOGETHER
        with self.one_at_a_time:
            if any(self.find(each.org, each.key, now_ms) for each in receipts):
                return False
            self.journal.put(batch, packed)
            for each in receipts:
                self.receipts[each.org, each.key] = each
            return True

    def find_all(self, org: str, keys: Sequence[str], now_ms: int) -> Mapping[str, Receipt]:
        return {key: found for key in keys if (found := self.find(org, key, now_ms))}


@dataclass
class FakeJournal(Journal):
    batches: dict[tuple[str, str], Batch | UnreadableBatch] = field(default_factory=dict)

    def put(self, batch: Batch, packed: bytes) -> None:
        self.batches.setdefault((batch.org, batch.id), batch)

    def get(self, org: str, batch_ids: Sequence[str]) -> Mapping[str, Batch | UnreadableBatch]:
        return {id: self.batches[org, id] for id in batch_ids if (org, id) in self.batches}

    def between(self, org: str, after_id: str, until_id: str, limit: int) -> Sequence[StoredBatch]:
        found = [
            StoredBatch(org, id, partial(self.batches.__getitem__, (o, id)))
            for o, id in self.batches
            if o == org and after_id < id <= until_id
        ]
        return sorted(found, key=lambda batch: batch.id)[:limit]


class FakeLedger:
    def __init__(self) -> None:
        self.by_org: dict[str, dict[int, Segment]] = defaultdict(dict)
        self.minutes: dict[str, dict[int, int]] = defaultdict(dict)

    def head(self, org: str) -> Head:
        segments = self.by_org[org]
        return segments[max(segments)].head if segments else Head.empty(org)

    def first_seqs(self, org: str, batch_ids: Iterable[str]) -> Mapping[str, int]:
        sealed = {
            batch_id: seq
            for segment in self.by_org[org].values()
            for batch_id, seq in segment.first_seqs.items()
        }
        return {batch_id: sealed[batch_id] for batch_id in batch_ids if batch_id in sealed}

    def markers(self, org: str, batch_ids: Iterable[str]) -> Markers:
        wanted = list(batch_ids)
        seconds = {batch_time_ms(batch_id) // 1000 for batch_id in wanted}
        counts = Counter(batch_time_ms(batch_id) // 1000 for batch_id, _ in self.all_markers(org))
        counts = Counter({second: counts[second] for second in seconds & counts.keys()})
        return Markers(self.first_seqs(org, wanted), counts)

    def all_markers(self, org: str) -> Iterator[tuple[str, int]]:
        for segment in self.by_org[org].values():
            yield from segment.first_seqs.items()

    def all_marks(self, org: str) -> Iterator[tuple[int, int]]:
        return iter(sorted(self.minutes[org].items()))

    def commit(
        self, segment: Segment, previous: Head, counts: Mapping[int, int] | None = None
    ) -> None:
        if segment.first_seq in self.by_org[segment.org]:
            raise HeadMoved(f"seq {segment.first_seq} is taken")
        if counts is not None:
            now = self.markers(segment.org, segment.first_seqs).counts
            seconds = {batch_time_ms(batch_id) // 1000 for batch_id in segment.first_seqs}
            if any(now.get(s, 0) != counts.get(s, 0) for s in seconds):
                raise HeadMoved("a marker was added")
        self.by_org[segment.org][segment.first_seq] = segment
        minute = segment.sealed_at_ms // 60_000
        if minute > previous.sealed_at_ms // 60_000:
            self.minutes[segment.org][minute] = segment.first_seq

    def segments(self, org: str, from_seq: int, limit: int) -> Sequence[Segment]:
        found = [s for s in self.by_org[org].values() if s.last_seq >= from_seq]
        return sorted(found, key=lambda segment: segment.first_seq)[:limit]

    def segments_before(self, org: str, until_seq: int, limit: int) -> Sequence[Segment]:
        found = [s for s in self.by_org[org].values() if s.first_seq <= until_seq]
        return sorted(found, key=lambda segment: -segment.first_seq)[:limit]

    def first_sealed(self, org: str, minute: int) -> int | None:
        later = [first_seq for at, first_seq in self.minutes[org].items() if at >= minute]
        return min(later, default=None)


class FakeOrgs:
    def __init__(self) -> None:
        self.orgs: dict[str, Org] = {}
        self.swept: dict[str, str] = {}

    def get(self, org: str) -> Org | None:
        return self.orgs.get(org)

    def put(self, org: Org) -> None:
        self.orgs[org.id] = org

    def change(self, org: Org, was: Org | None) -> bool:
        if self.orgs.get(org.id) != was:
            return False
        self.orgs[org.id] = org
        return True

    def all(self) -> Sequence[Org]:
        return [self.orgs[id] for id in sorted(self.orgs)]

    def swept_until(self, org: str) -> str:
        return self.swept.get(org, "")

    def set_swept_until(self, org: str, batch_id: str) -> None:
        self.swept[org] = batch_id


class FakeKeys:
    def __init__(self) -> None:
        self.keys: dict[tuple[str, str], ApiKey] = {}

    def get(self, org: str, key_id: str) -> ApiKey | None:
        return self.keys.get((org, key_id))

    def put(self, key: ApiKey) -> None:
        self.keys[key.org, key.id] = key

    def all(self, org: str) -> Sequence[ApiKey]:
        return sorted(
            (key for key in self.keys.values() if key.org == org),
            key=lambda key: key.created_at_ms,
        )


class FakePasses:
    def __init__(self) -> None:
        self.passes: dict[tuple[Kind, str, bytes], Pass] = {}

    def put(self, each: Pass) -> None:
        self.passes[each.kind, each.org, each.digest] = each

    def get(self, kind: Kind, org: str, digest: bytes) -> Pass | None:
        return self.passes.get((kind, org, digest))

    def take(self, kind: Kind, org: str, digest: bytes) -> Pass | None:
        return self.passes.pop((kind, org, digest), None)


@dataclass
class FakeSignInWrites:
    passes: FakePasses
    journal: FakeJournal

    def write(
        self, new: Pass | None, old: Pass | None, told: Sequence[tuple[Batch, bytes]]
    ) -> bool:
        kept = self.passes.passes
        if new and (new.kind, new.org, new.digest) in kept:
            return False
        if old and (old.kind, old.org, old.digest) not in kept:
            return False
        if new:
            self.passes.put(new)
        if old:
            self.passes.take(old.kind, old.org, old.digest)
        for batch, packed in told:
            self.journal.put(batch, packed)
        return True


@dataclass
class FakeSignInFailures:
    journal: FakeJournal
    counts: dict[tuple[str, str], Mapping[str, int]] = field(default_factory=dict)

    def get(self, org: str, hour: str) -> Mapping[str, int]:
        return self.counts.get((org, hour), {})

    def write(
        self,
        org: str,
        hour: str,
        was: Mapping[str, int],
        now: Mapping[str, int],
        batch: Batch,
        packed: bytes,
    ) -> bool:
        if self.get(org, hour) != was:
            return False
        self.counts[org, hour] = dict(now)
        self.journal.put(batch, packed)
        return True


class FakeRates:
    def __init__(self) -> None:
        self.used: Counter[tuple[str, str, int]] = Counter()

    def take(self, org: str, key_id: str, minute: int, limit: int) -> bool:
        if self.used[org, key_id, minute] >= limit:
            return False
        self.used[org, key_id, minute] += 1
        return True


class FakeQuota:
    def __init__(self) -> None:
        self.taken: dict[tuple[str, str], int] = defaultdict(int)
        self._lock = threading.Lock()

    def reserve(self, org: str, month: str, events: int, limit: int) -> int | None:
        with self._lock:
            if self.taken[org, month] + events > limit:
                return None
            self.taken[org, month] += events
            return limit - self.taken[org, month]

    def release(self, org: str, month: str, events: int) -> None:
        self.taken[org, month] -= events

    def used(self, org: str, month: str) -> int:
        return self.taken[org, month]


class FakeSetAside:
    def __init__(self) -> None:
        self.items: dict[tuple[str, str], SetAsideItem] = {}

    def add(self, item: SetAsideItem) -> bool:
        return self.items.setdefault((item.org, item.batch_id), item) is item

    def all(self, org: str) -> Sequence[SetAsideItem]:
        return [item for key, item in sorted(self.items.items()) if key[0] == org]


class FakeProjections:
    def __init__(self) -> None:
        self.served: dict[str, int] = defaultdict(int)
        self.made: dict[str, int] = {}
        self.cursors: dict[tuple[str, int], Projected] = {}
        self.by_key: dict[tuple[str, int], dict[tuple[str, str], dict[str, int | str]]]
        self.by_key = defaultdict(dict)

    def cursor(self, org: str, generation: int | None = None) -> Projected:
        at = self.served[org] if generation is None else generation
        return self.cursors.get((org, at), Projected(generation=at))

    def claim(self, org: str, cursor: Projected, run: Projected) -> bool:
        at = self.cursor(org, run.generation)
        if (at.through_seq, at.until_seq) != (cursor.through_seq, cursor.until_seq):
            return False
        self.cursors[org, run.generation] = replace(
            at, until_seq=run.until_seq, claimed_at_ms=run.claimed_at_ms
        )
        return True

    def apply(self, org: str, run: Projected, change: Change) -> None:
        item = self.by_key[org, run.generation].setdefault(
            (change.kind, change.id),
            {
                "through_seq": 0,
                "first_seq": change.first_seq,
                "first_timestamp": change.first_timestamp,
            },
        )
        if int(item["through_seq"]) > run.through_seq:
            return
        item["through_seq"] = run.until_seq
        item["last_seq"] = change.last_seq
        item["last_timestamp"] = change.last_timestamp
        item.update(change.texts)
        for name, value in change.counters.items():
            if value:
                item[name] = int(item.get(name, 0)) + value

    def advance(
        self, org: str, run: Projected, hash: bytes = b"", new: Mapping[str, int] | None = None
    ) -> None:
        at = self.cursor(org, run.generation)
        if (at.through_seq, at.until_seq) == (run.through_seq, run.until_seq):
            counts = dict(Counter(at.counts) + Counter(new))
            self.cursors[org, run.generation] = replace(
                at, through_seq=run.until_seq, hash=hash, counts=counts
            )

    def get(self, org: str, kind: str, id: str, generation: int = 0) -> Item | None:
        return self.by_key[org, generation].get((kind, id))

    def items(
        self, org: str, keys: Sequence[tuple[str, str]], generation: int
    ) -> Mapping[tuple[str, str], Item]:
        found = self.by_key[org, generation]
        return {key: dict(found[key]) for key in keys if key in found}

    def newest(
        self, org: str, kind: str, before: str, limit: int, generation: int
    ) -> Sequence[tuple[str, Item]]:
        found = [
            (place, id, item)
            for (its_kind, id), item in self.by_key[org, generation].items()
            if its_kind == kind and (place := place_of(item)) and (not before or place < before)
        ]
        return [(id, item) for _, id, item in sorted(found, reverse=True)[:limit]]

    def between(
        self, org: str, kind: str, first_day: str, last_day: str, generation: int
    ) -> Iterator[tuple[str, Item]]:
        for (its_kind, id), item in sorted(self.by_key[org, generation].items()):
            if its_kind == kind and first_day <= id[:10] <= last_day:
                yield id, item

    def calls(self, org: str, before_id: str, generation: int) -> Iterator[Item]:
        for (kind, id), item in sorted(self.by_key[org, generation].items(), reverse=True):
            if kind == CALLS and id < before_id:
                yield dict(item)

    def remake(self, org: str) -> int:
        return self.made.setdefault(org, self.served[org] + 1)

    def serve(self, org: str, generation: int) -> None:
        if self.made.get(org) == generation:
            self.served[org] = self.made.pop(org)

    def drop(self, org: str, generation: int) -> None:
        self.cursors.pop((org, generation), None)
        self.by_key.pop((org, generation), None)


class FakeSummaries:
    def __init__(self) -> None:
        self.stored: dict[tuple[str, int, int], bytes] = {}
        self.cursors: dict[str, Made] = {}

    def get(self, org: str, level: int, numbers: range) -> Mapping[int, bytes]:
        return {
            each: self.stored[org, level, each]
            for each in numbers
            if (org, level, each) in self.stored
        }

    def put(self, org: str, level: int, number: int, summary: bytes) -> None:
        self.stored[org, level, number] = summary

    def made(self, org: str) -> Made:
        return self.cursors.get(org, Made())

    def set_made(self, org: str, made: Made) -> None:
        self.cursors[org] = made


class FakeTrees:
    def __init__(self, journal: FakeJournal | None = None) -> None:
        self.journal = journal or FakeJournal()
        self.heads: dict[str, Tree] = {}
        self.kept: dict[tuple[str, int, int], bytes] = {}
        self.signed: dict[str, dict[tuple[int, int], Checkpoint]] = {}
        self.log_keys: dict[str, dict[tuple[int, str], LogKey]] = defaultdict(dict)
        self.one_at_a_time = threading.Lock()

    def get(self, org: str) -> Tree | None:
        return self.heads.get(org)

    def grow(self, before: Tree | None, after: Tree, nodes: Sequence[Node]) -> None:
        if len(nodes) > MOST_NODES:
            raise ValueError(f"{len(nodes)} nodes at once")
        with self.one_at_a_time:
            new = {(after.org, node.height, node.number): node.hash for node in nodes}
            if self.heads.get(after.org) != before:
                raise HeadMoved(after.org)
            for (_, height, number), digest in new.items():
                if self.kept.get((after.org, height, number), digest) != digest:
                    raise IntegrityError(after.org, (number << height) + 1, "another node")
            self.heads[after.org] = after
            self.kept |= new

    def sign(
        self,
        before: Tree,
        after: Tree,
        checkpoint: Checkpoint,
        changed: Sequence[LogKey],
        told: tuple[Batch, bytes] | None = None,
    ) -> None:
        with self.one_at_a_time:
            signed = self.signed.setdefault(after.org, {})
            place = checkpoint.size, checkpoint.made_at_ms * (checkpoint.size == before.signed)
            if self.heads.get(after.org) != before:
                raise HeadMoved(after.org)
            if place in signed:
                raise IntegrityError(after.org, max(checkpoint.size, 1), "another checkpoint")
            signed[place] = checkpoint
            self.heads[after.org] = after
            for key in changed:
                self.log_keys[after.org][key.since_size, key.verifier] = key
            if told is not None:
                self.journal.put(*told)

    def cosign(self, org: str, before: Checkpoint, after: Checkpoint) -> None:
        with self.one_at_a_time:
            signed = self.signed.get(org, {})
            places = [place for place, each in signed.items() if each == before]
            if not places:
                raise HeadMoved(org)
            signed[places[0]] = after

    def keys(self, org: str) -> Sequence[LogKey]:
        return [key for _, key in sorted(self.log_keys[org].items(), key=lambda each: each[0])]

    def nodes(self, org: str, height: int, first: int, count: int) -> Sequence[bytes]:
        found = list[bytes]()
        while len(found) < count and (org, height, first + len(found)) in self.kept:
            found.append(self.kept[org, height, first + len(found)])
        return found

    def checkpoint(self, org: str, covering: int = 0) -> Checkpoint | None:
        places = sorted(each for each in self.signed.get(org, {}) if each[0] >= covering)
        return self.signed[org][places[0 if covering else -1]] if places else None

    def checkpoints(self, org: str, above: int, until: int) -> Iterator[Checkpoint]:
        for place, checkpoint in sorted(self.signed.get(org, {}).items()):
            if above < place[0] <= until:
                yield checkpoint


class FakeArchive:
    def __init__(self, *, is_apart: bool = True) -> None:
        self.is_apart = is_apart
        self.files: dict[str, bytes] = {}
        self.held = set[str]()

    def put(self, path: str, content: bytes, *, hold: bool = False) -> None:
        self.files[path] = content
        if hold:
            self.held.add(path)

    def get(self, path: str) -> bytes | None:
        return self.files.get(path)

    def folders(self, path: str) -> Sequence[str]:
        below = (
            each.removeprefix(f"{path}/") for each in self.files if each.startswith(f"{path}/")
        )
        return sorted({each.partition("/")[0] for each in below if "/" in each})


@dataclass
class FakeApprovals:
    """On a journal in memory; a step and its batch come at once."""

    journal: FakeJournal
    approvals: dict[tuple[str, str], Approval] = field(default_factory=dict)
    calls: dict[tuple[str, bytes], str] = field(default_factory=dict)
    grants: dict[tuple[str, bytes], Grant] = field(default_factory=dict)
    ruled: dict[tuple[str, str], Rule] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, org: str, ids: Sequence[str]) -> Mapping[str, Approval]:
        return {id: self.approvals[org, id] for id in ids if (org, id) in self.approvals}

    def pending(self, org: str, limit: int, after: str = "") -> Sequence[str]:
        ids = sorted(id for (o, id), each in self.approvals.items() if o == org and each.pending)
        return [id for id in ids if id > after][:limit]

    def waits(self, org: str, id: str) -> bool:
        return (org, id) in self.approvals and self.approvals[org, id].pending

    def asked(self, org: str, digest: bytes) -> str:
        return self.calls.get((org, digest), "")

    def every(self, org: str) -> Iterator[tuple[str, Approval | None]]:
        yield from sorted((id, each) for (o, id), each in self.approvals.items() if o == org)

    def grant(self, org: str, run: bytes) -> Grant | None:
        return self.grants.get((org, run))

    def rule(self, org: str, name: str) -> Rule | None:
        return self.ruled.get((org, name))

    def rules(self, org: str) -> Sequence[Rule]:
        rules = [rule for rule in self.ruled.values() if rule.org == org]
        return sorted(rules, key=lambda rule: (rule.created_at_ms, rule.name))

    def write(self, org: str, step: Step, batch: Batch, packed: bytes) -> bool:
        with self.lock:
            if not self._as_expected(org, step):
                return False
            self.journal.put(batch, packed)
            for approval in step.approvals:
                self.approvals[org, approval.id] = approval
            for digest, id, _ in step.asked:
                self.calls[org, digest] = id
            if step.grant:
                self.grants[org, step.grant.run] = step.grant
            if step.rule:
                self.ruled[org, step.rule.name] = step.rule
            if step.removed_rule:
                del self.ruled[org, step.removed_rule.name]
            return True

    def _as_expected(self, org: str, step: Step) -> bool:
        for approval in step.approvals:
            stands = self.approvals.get((org, approval.id))
            if (stands.change if stands else None) != step.was.get(approval.id):
                return False
        if any(self.asked(org, digest) not in ("", before) for digest, _, before in step.asked):
            return False
        gone = step.removed_rule
        return gone is None or (org, gone.name) in self.ruled


class FakePlaces:
    def __init__(self) -> None:
        self.held: dict[tuple[str, int], tuple[int, str]] = {}
        self.lock = threading.Lock()

    def take(self, org: str, places: int, now_ms: int, until_ms: int) -> str:
        with self.lock:
            for place in range(places):
                if self.held.get((org, place), (0, ""))[0] <= now_ms:
                    token = f"{place} {len(self.held)}-{until_ms}-{threading.get_ident()}"
                    self.held[org, place] = until_ms, token
                    return token
        return ""

    def leave(self, org: str, place: str) -> None:
        with self.lock:
            for at, (_, token) in list(self.held.items()):
                if at[0] == org and token == place:
                    del self.held[at]


class FakeTimers:
    def __init__(self) -> None:
        self.due: list[tuple[str, str, int]] = []

    def set(self, org: str, approval_id: str, due_ms: int, now_ms: int) -> None:
        self.due.append((org, approval_id, due_ms))


class FakeTails:
    """``sent`` are (org, delay in seconds)."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int]] = []

    def set(self, org: str, delay_seconds: int) -> None:
        self.sent.append((org, delay_seconds))


@dataclass
class FakePolicies:
    journal: FakeJournal
    versions: dict[str, list[Policies]] = field(default_factory=lambda: defaultdict(list))

    def current(self, org: str) -> Policies | None:
        return self.versions[org][-1] if self.versions[org] else None

    def version(self, org: str, version: int) -> Policies | None:
        found = self.versions[org]
        return found[version - 1] if 1 <= version <= len(found) else None

    def put(self, policies: Policies, batch: Batch, packed: bytes) -> bool:
        if policies.version != len(self.versions[policies.org]) + 1:
            return False
        self.versions[policies.org].append(policies)
        self.journal.put(batch, packed)
        return True


@dataclass
class FakeKeyRing:
    keys: FakeKeys
    journal: FakeJournal

    def write(
        self, key: ApiKey, was: str, batch: Batch, packed: bytes, new: ApiKey | None = None
    ) -> bool:
        puts = [(key, was)] + ([(new, "")] if new else [])
        if not all(self.allows(*put) for put in puts):
            return False
        for put, _ in puts:
            self.keys.put(put)
        self.journal.put(batch, packed)
        return True

    def allows(self, key: ApiKey, was: str = "") -> bool:
        found = self.keys.get(key.org, key.id)
        return found is None or (found.digest, found.revoked_at_ms, found.change) == (
            key.digest,
            None,
            was,
        )


@dataclass
class FakeBudgets:
    journal: FakeJournal
    projections: FakeProjections = field(default_factory=FakeProjections)
    budgets: dict[tuple[str, str], Budget] = field(default_factory=dict)
    turns: dict[tuple[str, str], int] = field(default_factory=dict)

    def all(self, org: str) -> Sequence[Budget]:
        found = [each for (of, _), each in self.budgets.items() if of == org]
        return sorted(found, key=lambda budget: (budget.created_at_ms, budget.id))

    def get(self, org: str, id: str) -> Budget | None:
        return self.budgets.get((org, id))

    def write(
        self, budget: Budget, was: str, batch: Batch, packed: bytes, at: Projected | None = None
    ) -> bool:
        found = self.get(budget.org, budget.id)
        if (found.change if found else "") != was:
            return False
        if at is not None:
            now = self.projections.cursor(budget.org, at.generation)
            if now.through_seq != at.through_seq or now.until_seq > at.through_seq:
                return False
        self.budgets[budget.org, budget.id] = budget
        self.journal.put(batch, packed)
        return True

    def remove(self, budget: Budget, batch: Batch, packed: bytes) -> bool:
        found = self.get(budget.org, budget.id)
        if found is None or found.change != budget.change:
            return False
        del self.budgets[budget.org, budget.id]
        self.journal.put(batch, packed)
        return True

    def take_turn(self, org: str, id: str, now_ms: int, wait_ms: int) -> bool:
        taken_ms = self.turns.get((org, id))
        if taken_ms is not None and now_ms - wait_ms < taken_ms <= now_ms:
            return False
        self.turns[org, id] = now_ms
        return True


@dataclass
class FakeSessionStates:
    journal: FakeJournal
    states: dict[tuple[str, str], SessionState] = field(default_factory=dict)

    def get(self, org: str, ids: Sequence[str]) -> Mapping[str, SessionState]:
        return {id: self.states[org, id] for id in ids if (org, id) in self.states}

    def suspended(self, org: str) -> frozenset[str]:
        states = self.states.items()
        return frozenset(id for (o, id), each in states if o == org and each.status == "suspended")

    def begin(self, states: Sequence[SessionState], batch: Batch, packed: bytes) -> bool:
        if any((each.org, each.id) in self.states for each in states):
            return False
        self.states |= {(each.org, each.id): each for each in states}
        self.journal.put(batch, packed)
        return True

    def write(self, state: SessionState, was: str, batch: Batch, packed: bytes) -> bool:
        found = self.states.get((state.org, state.id))
        if (found.change if found else "") != was:
            return False
        self.states[state.org, state.id] = state
        self.journal.put(batch, packed)
        return True


@dataclass
class FakeAgentStates:
    ring: FakeKeyRing
    states: dict[tuple[str, str], AgentState] = field(default_factory=dict)

    def get(self, org: str, ids: Sequence[str]) -> Mapping[str, AgentState]:
        return {id: self.states[org, id] for id in ids if (org, id) in self.states}

    def all(self, org: str) -> Iterator[AgentState]:
        return (state for (of, _), state in sorted(self.states.items()) if of == org)

    def ids(self, org: str, after: str, limit: int) -> Sequence[str]:
        return [id for of, id in sorted(self.states) if of == org and id > after][:limit]

    def write(
        self, state: AgentState, was: str, batch: Batch, packed: bytes, key: ApiKey | None = None
    ) -> bool:
        found = self.states.get((state.org, state.id))
        if (found.change if found else "") != was:
            return False
        if key and not self.ring.allows(key):
            return False
        if key:
            self.ring.keys.put(key)
        self.ring.journal.put(batch, packed)
        self.states[state.org, state.id] = state
        return True


@dataclass
class FakeAnomalies:
    journal: FakeJournal
    anomalies: dict[tuple[str, str], Anomaly] = field(default_factory=dict)

    def get(self, org: str, id: str) -> Anomaly | None:
        return self.anomalies.get((org, id))

    def newest(self, org: str, before: str, limit: int) -> Sequence[tuple[str, Anomaly | None]]:
        found = [(id, each) for (of, id), each in self.anomalies.items() if of == org]
        found = [each for each in found if not before or each[0] < before]
        return sorted(found, reverse=True, key=lambda each: each[0])[:limit]

    def write(self, anomaly: Anomaly, was: str, batch: Batch, packed: bytes) -> bool:
        found = self.get(anomaly.org, anomaly.id)
        if (found.change if found else "") != was:
            return False
        self.anomalies[anomaly.org, anomaly.id] = anomaly
        self.journal.put(batch, packed)
        return True


@dataclass
class FakeDetections:
    anomalies: FakeAnomalies
    cursors: dict[str, Cursor] = field(default_factory=dict)
    known: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def cursor(self, org: str) -> Cursor:
        return self.cursors.get(org, Cursor())

    def due(self, now_ms: int) -> Sequence[str]:
        return [org for org, each in self.cursors.items() if 1 <= each.due_ms <= now_ms]

    def states(self, org: str, places: Sequence[str]) -> Mapping[str, bytes]:
        return {each: self.known[org, each] for each in places if (org, each) in self.known}

    def put(self, org: str, place: str, states: bytes, now_ms: int) -> None:
        assert (org, place) not in self.known
        self.known[org, place] = states

    def drop(self, org: str, places: Iterable[str]) -> None:
        for place in places:
            self.known.pop((org, place), None)

    def advance(
        self,
        org: str,
        was: Cursor,
        now: Cursor,
        told: tuple[Batch, bytes] | None = None,
        anomalies: Sequence[Anomaly] = (),
    ) -> bool:
        assert 1 + len(anomalies) + bool(told) <= 100
        if self.cursor(org).change != was.change:
            return False
        self.cursors[org] = now
        self.anomalies.anomalies |= {(org, each.id): each for each in anomalies}
        if told:
            self.anomalies.journal.put(*told)
        return True


@dataclass
class FakeSubjects(Subjects):
    journal: FakeJournal
    orgs: FakeOrgs = field(default_factory=FakeOrgs)
    subjects: dict[tuple[str, str], KeptSubject] = field(default_factory=dict)

    def find(self, org: str, users: Collection[str]) -> Mapping[str, KeptSubject]:
        return {u: self.subjects[org, u] for u in users if (org, u) in self.subjects}

    def all(self, org: str) -> Iterator[KeptSubject]:
        return iter([self.subjects[key] for key in sorted(self.subjects) if key[0] == org])

    def give(self, org: str, user: str, key: SubjectKey) -> SubjectKey:
        found = self.subjects.get((org, user), KeptSubject(org=org, user=user))
        self.subjects[org, user] = found = replace(found, key=found.key or key)
        assert found.key is not None
        return found.key

    def erase(self, erased: KeptSubject, was: KeptSubject, batch: Batch, packed: bytes) -> bool:
        now, org = self.subjects.get((was.org, was.user)), self.orgs.get(was.org)
        if org is not None and org.held_since_ms:
            return False
        if now is None or now.key is None or now.key != was.key:
            return False
        self.subjects[was.org, was.user] = erased
        self.journal.put(batch, packed)
        return True


@dataclass
class FakePrivacySettings:
    journal: FakeJournal
    kept: dict[str, KeptPrivacy] = field(default_factory=dict)
    reads: int = 0

    def get(self, org: str) -> KeptPrivacy:
        self.reads += 1
        return self.kept.get(org, KeptPrivacy(org=org))

    def write(self, kept: KeptPrivacy, was: str, batch: Batch, packed: bytes) -> bool:
        if self.get(kept.org).change != was:
            return False
        self.kept[kept.org] = kept
        self.journal.put(batch, packed)
        return True


@dataclass
class FakeDetectionSettings:
    journal: FakeJournal
    kept: dict[str, KeptSettings] = field(default_factory=dict)

    def get(self, org: str) -> KeptSettings:
        return self.kept.get(org, KeptSettings(org=org))

    def write(self, kept: KeptSettings, was: str, batch: Batch, packed: bytes) -> bool:
        if self.get(kept.org).change != was:
            return False
        self.kept[kept.org] = kept
        self.journal.put(batch, packed)
        return True

"""Tocsin's limits and defaults, each once: what users can meet, or two parts must agree on.

``tests/unit/domain/test_limits.py`` checks how they relate, and that the documents agree with them.
A timing or a buffer that concerns one module alone stays in that module.
"""

from typing import Final

# A request

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Of a request's JSON, after decompression."""

MAX_SMALL_BODY_BYTES: Final = 256 * 1024
"""Of the JSON of a request that brings no events."""

MAX_EVENTS_PER_BATCH: Final = 1_000
"""A request is one batch, and one item of the journal."""

EVENT_IDS_PER_BATCH: Final = 1_024
"""As many as ids can number: an event's place in its batch is the lowest 10 bits of its ULID."""

MAX_PACKED_BYTES: Final = 390 * 1024
"""Of a compressed batch: what a DynamoDB item (400 KB) holds besides its keys."""

MAX_UNPACKED_BYTES: Final = 16 * 1024 * 1024
"""Of a batch: a request, what is stamped on 1,000 events, and canonical JSON's escapes."""

PACKED_SPREAD_BYTES: Final = 4 * 1024
"""By how much a batch may pack differently under another id: near the limit a fixed id decides."""

MAX_IDEMPOTENCY_KEY_CHARS: Final = 255

WAIT_SEALED_SECONDS: Final = 5.0
"""How long ingestion waits at most for the places of events, where it is asked to."""

MAX_GZIP_MEMBERS: Final = 1_000
"""Of a compressed body."""

MAX_IGNORED_NAMES: Final = 100
"""As many ignored fields does an answer name."""

MAX_DETAILS_PER_REFUSAL: Final = 100
"""As many faults does an answer tell that refuses a request."""

MAX_DETAILS_PER_EVENT: Final = 10
"""As many faults of one event does an answer tell."""

# An event

MAX_EVENT_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 64
"""Of an event's JSON, in levels of nesting."""

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""Beyond this, JSON numbers lose digits (RFC 7493, I-JSON, section 2.2)."""

MAX_NAME_CHARS: Final = 256
"""Of an event's ids and names."""

MAX_TYPE_CHARS: Final = 128
"""Of an event type that a client makes up."""

MAX_LABELS: Final = 1_000
"""Of an event's PII types, or of its decision's policies or suggestions."""

MAX_TAG_RULES: Final = 50
"""Of an org's rules for compliance tags."""

MAX_ORG_CHARS: Final = 64
"""Of an org's id, and of a key's id."""

# Lists and streams

DEFAULT_LIST_EVENTS: Final = 50
MAX_LIST_EVENTS: Final = 1_000
"""Of one list, and of one replay."""

MAX_EVENTS_LOOKED_AT: Final = 100_000
"""By one list, or while skipping for ``offset``."""

MAX_SUMMARIES_LOOKED_AT: Final = 2_048
"""By one list; each saves a look at the events of a stretch, or of many."""

LISTS_AT_ONCE: Final = 32
"""In one process; each holds a few MB at most."""

LISTS_AT_ONCE_PER_ORG: Final = 16
MAX_COST_DAYS: Final = 366
"""Of one answer about costs; a day is an item."""

MAX_BREAKDOWN_DAYS: Final = 92
"""Of one that breaks them down; a day is an item for each name."""

MAX_NAMES_PER_DAY: Final = 100
"""Of agents, and of models, tools and providers: a day's further ones are counted together."""

MAX_STREAMS: Final = 10_000
"""In one process, unless set otherwise; an org may have half of them, unless set otherwise."""

MAX_QUERY_BYTES: Final = 8 * 1024
"""Of a request for a stream or a list, as it stands in the URL."""

MAX_TYPES_ASKED: Final = 100
"""In one ``types``."""

MAX_UNSENT_BYTES: Final = 64 * 1024 * 1024
"""In one process, of what streams wait to send; half of it may be one org's."""

# The ledger and the channel

MAX_EVENTS_PER_SEGMENT: Final = 1_024
MAX_SECONDS_PER_SEGMENT: Final = 60
"""Each second takes an item of markers, and a DynamoDB transaction holds 100 items."""

MAX_CHANNEL_BYTES: Final = 256 * 1024
"""Of the entries in one message; beyond this it carries only their seqs."""

# Summaries, by which searches skip what can't match

STRETCH_EVENTS: Final = 1_024
"""Seqs of a stretch: the least that a summary is of."""

STRETCHES_TOGETHER: Final = 64
"""As many summaries have one of a higher level for all of them."""

MAX_SUMMARY_BYTES: Final = 8 * 1024
"""Of a summary; what has too many values for it is left out."""

# Approvals

MAX_PENDING_APPROVALS: Final = 1_000
"""Of an org, give or take the requests that come at the same moment."""

APPROVALS_AT_ONCE: Final = 100
"""As many are read at once: each may be as large as its call."""

MAX_CALL_BYTES: Final = 64 * 1024
"""Of a call that waits for an approval, as canonical JSON."""

MAX_MESSAGE_CHARS: Final = 2_000
"""Of an approval's message, and of its reason."""

MAX_BULK_APPROVALS: Final = 1_000
"""Resolved by one request."""

APPROVAL_SECONDS: Final = 120
"""How long an approval waits, unless its request says otherwise."""

SHORTEST_APPROVAL_SECONDS: Final = 10
LONGEST_APPROVAL_SECONDS: Final = 7 * 24 * 60 * 60

MAX_DECISION_WAIT_SECONDS: Final = 55
"""As long does a request wait for a decision at most."""

WAITS_AT_ONCE: Final = 2_000
"""In one process, for decisions."""

WAITS_AT_ONCE_PER_ORG: Final = 1_000

RUN_GRANT_SECONDS: Final = 10 * 60
"""How long a run's further calls are approved."""

APPROVAL_RETENTION_DAYS: Final = 90
"""How long a resolved approval can be read; its events stay in the ledger."""

# Hooks of coding agents

HOOK_WAIT_SECONDS: Final = 25
"""As long does a hook wait for a person at most: API Gateway answers 504 after 30."""

HOOK_WAITS_PER_ORG: Final = 4
"""As many hooks of an org wait at once: each holds an instance of a function."""

LONGEST_HOOK_HOLD_SECONDS: Final = 60 * 60
"""As long can ``tocsin hook`` wait, which holds nothing of Tocsin's."""

# Sessions

MAX_SUSPENDED_SESSIONS: Final = 1_000
"""Of an org, give or take the requests that come at the same moment."""

# Keys

MAX_KEYS: Final = 1_000
"""Of an org, that still work."""

MAX_KEY_OVERLAP_SECONDS: Final = 7 * 24 * 60 * 60
"""How long a key that was replaced works on at most."""

KEY_OVERLAP_SECONDS: Final = 24 * 60 * 60
"""How long it does, unless the request says otherwise."""

MAX_DELEGATION_DEPTH: Final = 4
"""How many keys stand between a delegated key and one that nobody delegated, and that one."""

MAX_DELEGATIONS: Final = 100
"""Of one key, those that are delegated further included: that work, or are under an hour old."""

DELEGATION_SECONDS: Final = 24 * 60 * 60
"""How long a delegated key works at most, and unless the request says otherwise."""

KEY_REQUESTS_PER_MINUTE: Final = 3_000
"""Of a key to the API function, unless set otherwise: those that may change something in all
instances together, the others in each."""

ADMIN_CHANGES_PER_MINUTE: Final = 600
"""Of an org, by all of its keys together: each is an event that counts towards no quota. What is
removed is not counted."""

# Sign-ins

MAX_SIGNED_IN_ORGS: Final = 10
"""Whose keys one sign-in holds."""

MAX_FAILED_SIGN_INS: Final = 60
"""Of an org, told in an hour."""

MAX_FAILED_SIGN_INS_PER_KEY: Final = 10
"""Of a key, told in an hour."""

# Agents

MAX_AGENT_LABELS: Final = 50

# Budgets

MAX_BUDGETS: Final = 100
"""Of an org, give or take the requests that come at the same moment."""

BUDGET_TURN_SECONDS: Final = 10
"""Of a subject whose used-up budget throttles it, one call is let through in this time."""

# Detection

IDLE_SUBJECT_DAYS: Final = 60
"""How long what detection knows of agents, tools and models is kept where none is heard of."""

ANOMALY_RETENTION_DAYS: Final = 90
"""How long an alert can be looked at and reviewed; its event stays as long as any."""

MAX_FALSE_ALERTS_PER_DAY: Final = 1_000
"""The most that an org can ask for."""

SHORTEST_SNOOZE_SECONDS: Final = 60
LONGEST_SNOOZE_SECONDS: Final = 30 * 24 * 60 * 60
"""Of an alert; who wants no more of its kind at all switches the kind off."""

# Endpoints

MAX_ENDPOINTS: Final = 100
"""Of an org, give or take the requests that come at the same moment."""

MAX_URL_CHARS: Final = 2_048
"""Of an endpoint's URL."""

MAX_REPLAYS: Final = 10
"""Of an endpoint, that are not at their end."""

MAX_THICK_PAYLOAD_BYTES: Final = 20 * 1024
"""Of what a webhook is sent of an event (Standard Webhooks); beyond it, what leads to the event."""

DELIVERY_SECONDS: Final = 15
"""As long does a delivery wait for its answer."""

DELIVERY_ATTEMPTS: Final = 10
"""Of an event, over about three days; then it is passed over."""

MAX_FAILING_DELIVERIES: Final = 100
"""As many events that failed stand beside an endpoint's cursor; then it waits for them."""

PAUSE_AFTER_FAILING_DAYS: Final = 5
"""An endpoint at which nothing succeeded for so long is paused."""

DELIVERY_RETENTION_DAYS: Final = 30
"""How long an attempt is listed."""

GIVEN_UP_RETENTION_DAYS: Final = 90
"""How long it is listed that an event was passed over."""

SECRET_OVERLAP_SECONDS: Final = 24 * 60 * 60
"""How long a secret that was rotated out signs as well, unless the request says otherwise."""

MAX_SECRET_OVERLAP_SECONDS: Final = 7 * 24 * 60 * 60

# Policies

MAX_POLICY_BYTES: Final = 64 * 1024
"""Of an org's policies, as text."""

MAX_POLICIES: Final = 500
MAX_POLICY_NESTING: Final = 64
"""Of operators in one policy: beyond some hundred, Cedar's parser would end the process."""

MAX_POLICY_TERMS: Final = 100
"""Of ``&&`` and ``||`` in one policy, for the same reason."""

MAX_TEST_CALLS: Final = 200
"""Decided by one test of policies."""

# How much, and how long

EVENTS_PER_MONTH: Final = 1_000_000
"""An org's quota, unless set otherwise."""

RETENTION_DAYS: Final = 90
"""Of the journal, and so of a stream's backlog, unless set otherwise."""

PROJECT_SECONDS: Final = 30
"""After it was sealed, an event counts in sessions, agents and usage, unless set otherwise."""

RECEIPT_SECONDS: Final = 24 * 60 * 60
"""How long an idempotency key is remembered."""

TICKET_SECONDS: Final = 60
"""How long a ticket can be used."""

SIGN_IN_SECONDS: Final = 12 * 60 * 60
"""How long a browser stays signed in, unless set otherwise."""

HEARTBEAT_SECONDS: Final = 15.0
"""Of silence, after which a stream sends a heartbeat, unless its dialect's document differs."""

KAVACH_HEARTBEAT_SECONDS: Final = 30.0
"""The same in KavachOS' streams: the longest there is."""

REVOCATION_SECONDS: Final = 60
"""How soon a revoked key or sign-in stops working everywhere."""

SETTLED_MS: Final = 10 * 60 * 1_000
"""No batch is written this long after its id was made."""

"""Deciding with Cedar (https://docs.cedarpolicy.com): policies compiled once, then asked.

A permit carries ``@decision("ask")`` or ``@decision("watch")``; without it, it allows. The
strictest of those that hold counts, and a forbid counts more. ``@message`` and ``@suggestions``
(with ``;`` between them) are told. What no policy permits is denied, and so is what can't be
evaluated.

Cedar's parser calls itself for each operator within another, and ends the process where the stack
ends; so does what evaluates, which then denies. So policies are looked through first, and refused
where they go beyond :data:`.limits.MAX_POLICY_NESTING` or :data:`.limits.MAX_POLICY_TERMS`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import cedarpy
import orjson

from tocsin.domain.approvals import Call
from tocsin.domain.canonical import canonical
from tocsin.domain.errors import Detail, Invalid
from tocsin.domain.limits import (
    MAX_LABELS,
    MAX_MESSAGE_CHARS,
    MAX_NAME_CHARS,
    MAX_POLICIES,
    MAX_POLICY_BYTES,
    MAX_POLICY_NESTING,
    MAX_POLICY_TERMS,
)
from tocsin.domain.policy import Decision, Verdict

__all__ = ["SCHEMA", "Compiled", "Situation", "compiled"]

SCHEMA: Final = """
entity Org;
entity Agent in [Org] { session: String, owner: String, labels: Set<String> };
entity Tool { server: String, annotations: Set<String> };
action call appliesTo {
    principal: Agent,
    resource: Tool,
    context: {
        command: String,
        path: String,
        cwd: String,
        arguments: Set<String>,
        input: String,
        run_id: String
    }
};
"""
"""What policies can speak of. What a call does not say is ``""``.

``principal.labels`` holds ``name=value`` for each label that admins gave the agent, and
``resource.annotations`` the same for what the caller says that the tool's server declares
(``destructiveHint=true``, as MCP has it). ``context.arguments`` holds ``name=value`` for every
text, number and truth value among the call's arguments (``filter.limit=10``), ``context.input`` all
of them as canonical JSON.
"""

_STRICTNESS: Final = (Decision.ASK, Decision.WATCH, Decision.ALLOW)
_ACTION: Final = {"type": "Action", "id": "call"}
_MAX_ARGUMENTS: Final = 1_000
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|&&|\|\||\bif\b|[][(){},;.+*!-]', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A call, the org whose agent makes it, the server that has the tool, and what is said of both.

    ``labels`` are the agent's, ``annotations`` those that the server declares of the tool.
    """

    org: str
    call: Call
    server: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Notes:
    """What a policy's annotations say."""

    name: str
    decision: Decision
    message: str
    suggestions: Sequence[str]


class Compiled:
    """Policies that can be asked."""

    def __init__(self, policies: cedarpy.PolicySet, notes: Mapping[str, _Notes]) -> None:
        self._policies = policies
        self._notes = notes

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._notes)

    def decide(self, situation: Situation) -> Verdict:
        """Return what the policies say of a call.

        Raises:
            Malformed: its input is not I-JSON.
        """
        answer = cedarpy.is_authorized(_request(situation), self._policies, _entities(situation))
        if answer.diagnostics.errors:
            return Verdict(
                decision=Decision.DENY,
                message="a policy can't be evaluated: mend it, nothing is allowed until then",
            )
        held = [self._notes[each] for each in answer.diagnostics.reasons]
        if answer.decision is cedarpy.Decision.Allow:
            decision = min((each.decision for each in held), key=_STRICTNESS.index)
            held = [each for each in held if each.decision is decision]
        else:
            decision = Decision.DENY
        message = next((each.message for each in held if each.message), "")
        if not held:
            message = "no policy permits it"
        return Verdict(
            decision=decision,
            policies=sorted(each.name for each in held),
            message=message,
            suggestions=[each for note in held for each in note.suggestions][:MAX_LABELS],
        )


def compiled(text: str) -> Compiled:
    """Return policies ready to be asked.

    Raises:
        Invalid: they are too many, too deep, or not Cedar by :data:`SCHEMA`; it says where.
    """
    if (size_bytes := len(text.encode(errors="surrogatepass"))) > MAX_POLICY_BYTES:
        raise _invalid(f"{size_bytes:,} bytes, and the limit is {MAX_POLICY_BYTES:,}")
    if "\0" in text or not _is_unicode(text):
        raise _invalid("not text")
    for depth, terms in _nesting(text):
        if depth > MAX_POLICY_NESTING:
            raise _invalid(
                f"operators nest more than {MAX_POLICY_NESTING} deep in a policy: "
                "make several policies of it"
            )
        if terms > MAX_POLICY_TERMS:
            raise _invalid(
                f"a policy has more than {MAX_POLICY_TERMS} && and ||: make several of it"
            )
    try:
        policies = cedarpy.PolicySet.from_str(text)
        checked = cedarpy.validate_policies(text, SCHEMA)
        parsed = orjson.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise _invalid(str(error)) from error
    if not checked.validation_passed:
        raise _invalid(*(str(error.error) for error in checked.errors))
    if parsed["templates"]:
        raise _invalid("templates are not taken: write each policy out")
    static = parsed["staticPolicies"]
    if len(static) > MAX_POLICIES:
        raise _invalid(f"{len(static):,} policies, and the limit is {MAX_POLICIES:,}")
    return Compiled(policies, {id: _notes(id, each) for id, each in static.items()})


def _notes(id: str, policy: Mapping[str, Any]) -> _Notes:
    annotations = policy.get("annotations") or {}
    name = (annotations.get("id") or id)[:MAX_NAME_CHARS]
    said = annotations.get("decision") or "allow"
    if policy["effect"] == "forbid":
        if said not in ("allow", "deny") or annotations.get("decision") == "allow":
            raise _invalid(f"{name}: a forbid denies, and takes no other @decision")
        decision = Decision.DENY
    elif said not in _STRICTNESS:
        raise _invalid(f'{name}: @decision is "allow", "watch" or "ask"')
    else:
        decision = Decision(said)
    suggestions = [each.strip() for each in (annotations.get("suggestions") or "").split(";")]
    return _Notes(
        name,
        decision,
        (annotations.get("message") or "")[:MAX_MESSAGE_CHARS],
        [each for each in suggestions if each],
    )


def _nesting(text: str) -> Iterator[tuple[int, int]]:
    """Yield, at each token, how deep the operators are and how many && and || there were so far.

    What stands within brackets is within them; ``a.b.c`` and ``1+1+1`` nest too, as Cedar reads
    them, until something parts them; an ``if`` does until its policy ends.
    """
    levels, ifs, terms = [0], 0, 0
    for token in _TOKEN.findall(text):
        match token:
            case "(" | "[" | "{":
                levels[-1] += 1
                levels.append(0)
            case ")" | "]" | "}":
                if len(levels) > 1:
                    levels.pop()
            case "&&" | "||":
                levels[-1] = 0
                terms += 1
            case ",":
                levels[-1] = 0
            case ";":
                levels, ifs, terms = [0], 0, 0
            case "if":
                ifs += 1
            case "." | "+" | "*" | "!" | "-":
                levels[-1] += 1
            case _:
                continue
        yield sum(levels) + ifs, terms


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _invalid(*reasons: str) -> Invalid:
    return Invalid([Detail(field="policies", message=reason[:2_000]) for reason in reasons[:20]])


def _request(situation: Situation) -> dict[str, Any]:
    call = situation.call
    return {
        "principal": {"type": "Agent", "id": call.agent},
        "action": _ACTION,
        "resource": {"type": "Tool", "id": call.tool},
        "context": {
            "command": call.command,
            "path": call.path,
            "cwd": call.cwd,
            "arguments": _arguments(call.input),
            "input": "" if call.input is None else canonical(call.input).decode(),
            "run_id": call.run_id,
        },
    }


def _entities(situation: Situation) -> list[dict[str, Any]]:
    call, org = situation.call, {"type": "Org", "id": situation.org}
    return [
        {"uid": org, "attrs": {}, "parents": []},
        {
            "uid": {"type": "Agent", "id": call.agent},
            "attrs": {
                "session": call.session,
                "owner": call.owner,
                "labels": _arguments(situation.labels),
            },
            "parents": [org],
        },
        {
            "uid": {"type": "Tool", "id": call.tool},
            "attrs": {
                "server": situation.server,
                "annotations": _arguments(situation.annotations),
            },
            "parents": [],
        },
    ]


def _arguments(value: Any) -> list[str]:
    """Return ``name=value`` for each argument that has a plain value.

    A call with more than a thousand of them is still decided: by its ``input`` alone.
    """
    found: list[str] = []
    for name, item in _plain("", value):
        found.append(f"{name}={item if isinstance(item, str) else orjson.dumps(item).decode()}")
        if len(found) > _MAX_ARGUMENTS:
            return []
    return found


def _plain(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _plain(f"{name}.{key}" if name else key, item)
    elif isinstance(value, list):
        for item in value:
            yield from _plain(name, item)
    elif value is not None:
        yield name, value

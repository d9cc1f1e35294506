"""Who is asked to cosign checkpoints."""

import json

import pytest
from pydantic import ValidationError

from infra.config import Config
from support.templates import WITNESS, Templates
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.keys import KeyType, Verifier
from tocsin.wire.log.witnesses import appointed

FUNCTION = "AWS::Lambda::Function"
ALARM = "AWS::CloudWatch::Alarm"
NAME, KEY, URL = WITNESS.split()


def another(type: KeyType, name: str = "bob.example/w", length: int = 32) -> str:
    return f"Bob {Verifier(name, type, bytes(length))} https://bob.example"


def test_nobody_is_unless_it_is_chosen(default: Templates) -> None:
    function = default.one("pipeline", FUNCTION, "Checkpoint")
    assert "TOCSIN_WITNESSES" not in function["Environment"]["Variables"]
    assert "WitnessesAway" not in json.dumps(default.by_part["operations"])


def test_the_function_is_told_in_the_words_of_a_policy(telling: Templates) -> None:
    variables = telling.one("pipeline", FUNCTION, "Checkpoint")["Environment"]["Variables"]
    [ann] = appointed(variables["TOCSIN_WITNESSES"])
    assert (ann.name, str(ann.key), ann.place.origin) == ("Ann", KEY, "https://ann.example")


def test_it_has_the_packages_to_ask_and_to_verify(telling: Templates, default: Templates) -> None:
    def layers(templates: Templates, function: str) -> object:
        return templates.one("pipeline", FUNCTION, function)["Layers"]

    for templates in (telling, default):  # without witnesses it verifies its own last checkpoint
        deliver = layers(templates, "Deliver")
        assert layers(templates, "Checkpoint") == deliver != layers(templates, "Fanout")


def test_it_is_in_no_vpc_where_it_could_ask_nobody(telling: Templates) -> None:
    assert "VpcConfig" not in telling.one("pipeline", FUNCTION, "Checkpoint")


def test_one_that_is_away_for_long_is_an_alarm(telling: Templates) -> None:
    """That it does not answer now and then is none: five runs are in a period."""
    alarms = [each["Properties"] for each in telling.of("operations", ALARM).values()]
    [away] = [each for each in alarms if each.get("MetricName") == "WitnessesAway"]
    assert (away["Statistic"], away["Period"], away["EvaluationPeriods"]) == ("Sum", 300, 3)
    assert 0 < away["Threshold"] < 5
    assert away["TreatMissingData"] == "notBreaching"


MANY = [
    f"w{n} {Verifier(f'w{n}', KeyType(4), bytes([n]) * 32)} https://w.example" for n in range(9)
]
WRONG = {
    "a cut key": [f"{NAME} {KEY[:-4]} {URL}"],
    "another's id": [f"{NAME} {KEY.replace('+bafe662e+', '+bafe662f+')} {URL}"],
    "another's name": [f"{NAME} {KEY.replace('ann', 'bob')} {URL}"],
    "a log's key": [another(KeyType.ED25519)],
    "no URL": [f"{NAME} {KEY}"],
    "in the clear": [f"{NAME} {KEY} http://ann.example"],
    "a query": [f"{NAME} {KEY} https://ann.example/?a=b"],
    "a user": [f"{NAME} {KEY} https://a@ann.example/"],
    "a fragment": [f"{NAME} {KEY} https://ann.example/#a"],
    "no host": [f"{NAME} {KEY} https:///a"],
    "half a name": [f"{NAME} {KEY} https://ann"],
    "a line more": [f"{WITNESS}\nwitness {another(KeyType.ML_DSA_44, length=1_312)}"],
    "a policy's line": [f"witness {WITNESS}"],
    "a name twice": [WITNESS, another(KeyType(4)).replace("Bob", "Ann")],
    "a key twice": [WITNESS, WITNESS.replace("Ann", "Bob")],
    "nobody's name": [WITNESS.replace("Ann", "none")],
}


@pytest.mark.parametrize("witnesses", WRONG.values(), ids=WRONG)
def test_whom_the_function_could_not_ask_is_refused_before(witnesses: list[str]) -> None:
    with pytest.raises(ValidationError, match="witnesses"):
        Config.from_context({"tocsin": {"witnesses": witnesses}})


@pytest.mark.parametrize(
    "witnesses",
    [
        *([WITNESS], [another(KeyType.ML_DSA_44, length=1_312)], [WITNESS, another(KeyType(4))]),
        [f"{NAME} {KEY} https://ann.example:8443/a/b-c_d~e/%20/"],
        MANY,
    ],
)
def test_whom_the_function_can_ask_may_be_named(witnesses: list[str]) -> None:
    assert list(Config.from_context({"witnesses": ",".join(witnesses)}).witnesses) == witnesses
    assert len(appointed("\n".join(f"witness {each}" for each in witnesses))) == len(witnesses)


def test_they_fit_into_a_functions_variables() -> None:
    key = Verifier("eve.example/w", KeyType.ML_DSA_44, b"e" * 1_312)
    eve = f"Eve {key} https://eve.example"
    with pytest.raises(ValidationError, match="4 KB"):
        Config(witnesses=(another(KeyType.ML_DSA_44, length=1_312), eve))


@pytest.mark.parametrize("name", [each for each in WRONG if each not in {"no URL", "a line more"}])
def test_what_is_refused_the_function_refuses_too(name: str) -> None:
    """But for what has another meaning in a policy: that a witness is trusted and not asked."""
    with pytest.raises(BadFormat):
        appointed("\n".join(f"witness {each}" for each in WRONG[name]))

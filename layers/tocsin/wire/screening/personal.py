"""Personal data in a text: mail addresses, phone and card numbers, IBANs, national ids.

Numbers are taken for such only where they stand by themselves and their checksum is right; those
without a checksum (phones, and the US' SSN) only as they are written for people.
"""

from collections.abc import Callable
from typing import Final

from tocsin.wire.screening.engine import AFTER, Found, compiled, replaced

__all__ = ["HINT", "TYPES", "personal"]

_BEFORE: Final = r"(?:^|[^A-Za-z0-9_.-]|\\[nrt])"  # also no part of a UUID, a version or a date
_MAIL: Final = r"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}"
# E.164, 15 digits at most; and as North Americans write theirs.
_PHONE: Final = (
    r"(?:\+[1-9][0-9]{0,2}(?:[ .-]?\(0?[0-9]{1,4}\))?(?:[ .-]?[0-9]){6,14}"
    r"|(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4})"
)
# ISO/IEC 7812: by fours, American Express' and Diners' otherwise.
_CARD: Final = (
    r"(?:[2-6][0-9]{3}(?:[ -]?[0-9]{4}){2}[ -]?[0-9]{1,7}"
    r"|3[47][0-9]{2}[ -][0-9]{6}[ -][0-9]{5}|3[0689][0-9]{2}[ -][0-9]{6}[ -][0-9]{4})"
)
_IBAN: Final = r"[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?"  # ISO 13616
_MARKS: Final = b" -.()+/"
_DNI: Final = "TRWAGMYFPDXBNJZSQVHLCKE"  # the letter of a Spanish number, by its remainder by 23
_NIE: Final = str.maketrans("XYZ", "012")
_DOUBLED: Final = {48 + digit: sum(divmod(2 * digit, 10)) for digit in range(10)}
_CARD_LENGTHS: Final = {b"4": (13, 16, 19), b"3": (14, 15, 16), b"5": (16,), b"2": (16,)}


def _luhn(digits: bytes) -> bool:
    """Whether the last digit is right by ISO/IEC 7812-1."""
    ones = digits[-1::-2]
    total = sum(ones) - 48 * len(ones) + sum(map(_DOUBLED.__getitem__, digits[-2::-2]))
    return total % 10 == 0


def _mail(text: bytes) -> bool:
    return not text.startswith(b"git@")  # a repository's address


def _phone(text: bytes) -> bool:
    return 8 <= len(text.translate(None, _MARKS)) <= 15


def _card(text: bytes) -> bool:
    number = text.translate(None, _MARKS)
    lengths = _CARD_LENGTHS.get(number[:1], (16, 17, 18, 19))
    return len(number) in lengths and _luhn(number) and len(set(number)) > 1


def _iban(text: bytes) -> bool:
    from stdnum import iban

    number = text.translate(None, b" -")
    turned = (number[4:] + number[:4]).decode()  # ISO 7064: as a number of base 36, modulo 97
    return int("".join(str(int(each, 36)) for each in turned)) % 97 == 1 and bool(
        iban.is_valid(number.decode())
    )


def _us(number: str) -> bool:
    from stdnum.us import ssn

    return not number.startswith(("000", "666", "9")) and bool(ssn.is_valid(number))


def _spanish(number: str) -> bool:
    digits = number[:-1].strip("-").translate(_NIE)
    return _DNI[int(digits) % 23] == number[-1]


def _italian(number: str) -> bool:
    from stdnum.it import codicefiscale

    return codicefiscale.calc_check_digit(number[:-1]) == number[-1] and bool(
        codicefiscale.is_valid(number)
    )


def _french(number: str) -> bool:
    from stdnum.fr import nir

    number = number.replace(" ", "")
    return nir.calc_check_digits(number[:-2]) == number[-2:] and bool(nir.is_valid(number))


def _brazilian(number: str) -> bool:
    from stdnum.br import cpf

    return bool(cpf.is_valid(number))


def _indian(number: str) -> bool:
    from stdnum import verhoeff
    from stdnum.in_ import aadhaar

    return verhoeff.checksum(number.replace(" ", "")) == 0 and bool(aadhaar.is_valid(number))


def _chinese(number: str) -> bool:
    from stdnum.cn import ric

    return ric.calc_check_digit(number) == number[-1] and bool(ric.is_valid(number))


def _korean(number: str) -> bool:
    from stdnum.kr import rrn

    number = number.replace("-", "")
    return rrn.calc_check_digit(number[:-1]) == number[-1] and bool(rrn.is_valid(number))


def _swedish(number: str) -> bool:
    from stdnum.se import personnummer

    return _luhn(number[:6].encode() + number[7:].encode()) and bool(personnummer.is_valid(number))


# Each country's form, as people write it, and its check.
_IDS: Final = (
    (r"[0-9]{3}-[0-9]{2}-[0-9]{4}", _us),
    (r"(?:[0-9]{8}|[XYZ][0-9]{7})-?[A-Z]", _spanish),
    (r"[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]", _italian),
    (r"[12] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}", _french),
    (r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", _brazilian),
    (r"[2-9][0-9]{3} [0-9]{4} [0-9]{4}", _indian),
    (r"[1-9][0-9]{16}[0-9X]", _chinese),
    (r"[0-9]{6}-[1-8][0-9]{6}", _korean),
    (r"[0-9]{6}[-+][0-9]{4}", _swedish),
)

HINT: Final = "|".join(
    (
        r"[A-Za-z0-9._%+-]@[A-Za-z0-9-]",
        _BEFORE + "(?:" + "|".join((_PHONE, _CARD, _IBAN, *(form for form, _ in _IDS))) + ")",
    )
)
"""The pattern that matches wherever anything here does, also in JSON."""


def _written(is_such: Callable[[str], bool]) -> Callable[[bytes], bool]:
    return lambda text: is_such(text.decode("ascii"))


_KINDS: Final = (
    ("email", compiled(_MAIL), _mail),
    ("iban", compiled(_BEFORE + _IBAN), _iban),
    ("credit_card", compiled(_BEFORE + _CARD), _card),
    *(("national_id", compiled(_BEFORE + pattern), _written(is_such)) for pattern, is_such in _IDS),
    ("phone", compiled(_BEFORE + _PHONE), _phone),
)
TYPES: Final = ("email", "phone", "credit_card", "iban", "national_id")
"""What is found is of one of these types, which ``pii_types`` names."""


def personal(text: bytes, types: set[str], *, mask: bool) -> bytes:
    """Add to ``types`` what is in a text, and return it, with markers instead if so asked."""
    for type, pattern, is_such in _KINDS:
        if type in types and not mask:
            continue
        found = list[Found]()
        for each in pattern.finditer(text):
            start, end = each.span()
            if type != "email":
                start = _begins(text, start)
                if end < len(text) and text[end] in AFTER:
                    continue
            if is_such(text[start:end]):
                found.append((start, end, type))
                if not mask:
                    types.add(type)
                    break
        if found and mask:
            text = replaced(text, found, types)
    return text


def _begins(text: bytes, start: int) -> int:
    """Return where a number begins, behind what may stand before it."""
    if text[start : start + 1] == b"\\" and text[start + 1 : start + 2] in b"nrt":
        return start + 2
    first = text[start]
    return start if chr(first).isascii() and (chr(first).isalnum() or first in b"+(") else start + 1

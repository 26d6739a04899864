"""Countries by ISO 3166-1 alpha-2 code, the European Union, and the world."""

from __future__ import annotations

from collections.abc import Sequence

_EU = """
AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK
"""
_COUNTRIES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
EU = tuple(_EU.split())
"""The members of the European Union."""
COUNTRIES = tuple(_COUNTRIES.split())
"""ISO 3166-1 alpha-2."""
WORLD = "WORLD"
_USUAL = {"UK": "GB", "USA": "US", "EUROPE": "EU", "WORLDWIDE": WORLD, "GLOBAL": WORLD}


def read(text: str) -> tuple[str, ...]:
    """The codes of a list such as "DE, fr" or "EU". Raises ValueError with the part that is no code."""
    codes = []
    for part in text.replace(",", " ").split():
        code = part.upper()
        if code not in COUNTRIES and code not in ("EU", WORLD):
            raise ValueError(part)
        codes.append(code)
    if not codes:
        raise ValueError(text)
    return tuple(dict.fromkeys(codes))


def usual(part: str) -> str | None:
    """The code that a usual other spelling means."""
    return _USUAL.get(part.upper())


def excluded(left_out: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the territories of use that a licence leaves out, wholly or in part."""
    out = _countries(left_out)
    return tuple(code for code in wanted if code == WORLD or any(c in out for c in _countries((code,))))


def _countries(codes: Sequence[str]) -> list[str]:
    return [country for code in codes for country in (EU if code == "EU" else (code,))]

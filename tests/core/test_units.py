import pytest
from hypothesis import given
from hypothesis import strategies as st

from intarsia.core.errors import DeclarationError
from intarsia.core.units import UNITS, factor, known

unit = st.sampled_from(sorted(UNITS))


@pytest.mark.parametrize(
    ("unit", "to", "expected"),
    [
        ("cm", "mm", 10.0),
        ("MeV", "GeV", 1e-3),
        ("TeV", "MeV", 1e6),
        ("us", "ns", 1e3),
        ("1", "1", 1),
    ],
)
def test_known_factors(unit, to, expected):
    assert factor(unit, to) == pytest.approx(expected, rel=1e-15)


@given(unit, unit)
def test_there_and_back_is_one_and_dimensions_do_not_mix(a, b):
    if UNITS[a][0] == UNITS[b][0]:
        assert factor(a, b) * factor(b, a) == pytest.approx(1.0, rel=1e-15)
    else:
        with pytest.raises(DeclarationError, match=f"^{a} is a unit of {UNITS[a][0]}, {b} of "):
            factor(a, b)


def test_an_unknown_unit_is_named_with_the_nearest():
    assert known("mm") == "mm"
    with pytest.raises(DeclarationError) as caught:
        known("Mev")
    assert str(caught.value) == (
        f"there is no unit 'Mev'; did you mean 'MeV'? (known: {', '.join(UNITS)})"
    )

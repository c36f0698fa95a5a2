import pytest

from intarsia.core.errors import RunError
from intarsia.detectors.fasercal.options import options


def test_the_collaborations_solver_has_no_options_of_ours():
    given = {
        "threshold": 2.0,
        "cross_talk": 0.0,
        "iterations": 4,
        "photo_electrons": 9,
        "dead": 0.1,
    }
    for name, value in (*given.items(), ("noise", 1.0)):
        with pytest.raises(RunError) as caught:
            options({"solver": "upstream", name: value})
        assert str(caught.value) == (
            f"fasercal: the solver 'upstream' is on true energies: without {name}"
        )
    with pytest.raises(RunError) as caught:
        options({"solver": "upstream"} | given)
    assert str(caught.value).endswith(
        ": without photo_electrons, cross_talk, threshold, iterations, dead"
    )


def test_the_collaborations_solver_takes_what_it_uses_and_what_is_the_default():
    given = {"mix": "nominal", "plastic": "FASERG4 plastic", "pile_up": 1.0, "threshold": 0.5}
    assert options({"solver": "upstream"} | given).pile_up == 1.0

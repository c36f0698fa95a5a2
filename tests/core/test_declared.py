import pytest

from intarsia.core.declared import declared
from intarsia.core.detector import declaration
from intarsia.core.errors import DeclarationError
from intarsia.core.plugins import registry


def test_what_is_declared_comes_back(toy):
    back = declared(declaration(toy))
    assert back.streams == toy.streams
    assert back.truth == toy.truth


def test_every_shipped_detector_comes_back():
    found = registry(())
    for name in found.names("detectors"):
        detector = found.detector(name)
        assert declaration(declared(declaration(detector))) == declaration(detector)


def test_unknown_kinds_are_left_out(toy):
    plain = declaration(toy)
    plain["streams"][0]["kind"] = "Waveform"
    assert [s.name for s in declared(plain).streams] == ["calo", "muon", "cloud"]
    with pytest.raises(DeclarationError) as caught:
        declared({**plain, "streams": plain["streams"][:1]})
    assert str(caught.value) == "toy: no stream of a kind that is known here"

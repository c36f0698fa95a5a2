import json
import pickle

import pytest
from attrs import evolve

from intarsia.core.detector import Detector, Display, declaration, difference, option_faults
from intarsia.core.errors import DeclarationError


def test_a_declaration_survives_json(toy):
    plain = declaration(toy)
    assert json.loads(json.dumps(plain)) == plain
    assert difference(plain, json.loads(json.dumps(plain))) == ""


def test_a_detector_can_be_sent_to_another_process(toy):
    assert pickle.loads(pickle.dumps(toy)) == toy


def test_the_first_difference_is_named_and_words_do_not_count(toy):
    other = evolve(
        toy,
        about="other",
        streams=(evolve(toy.streams[0], about="other", source="x"), *toy.streams[1:]),
        truth=(evolve(toy.truth[0], classes=("e", "mu", "charm")), *toy.truth[1:]),
    )
    assert difference(declaration(toy), declaration(other)) == (
        "truth.flavour.classes.2: 'tau' here, 'charm' there"
    )


def test_a_stream_more_or_less_is_a_difference(toy):
    less = evolve(toy, streams=toy.streams[:2])
    assert difference(declaration(toy), declaration(less)).startswith("streams: [")


def test_streams_and_truth_are_found_by_name(toy):
    assert toy.stream("calo") is toy.streams[1]
    assert toy.label("vertex") is toy.truth[1]
    with pytest.raises(DeclarationError) as caught:
        toy.stream("cube")
    assert str(caught.value) == (
        "detector 'toy' has no stream 'cube'; did you mean 'cubes'? (it has: cubes, calo, muon, cloud)"
    )
    with pytest.raises(DeclarationError) as caught:
        toy.label("flavor")
    assert str(caught.value) == (
        "detector 'toy' has no event truth 'flavor'; did you mean 'flavour'? "
        "(it has: flavour, vertex, energy)"
    )


def test_wrong_streams_are_refused(toy):
    with pytest.raises(DeclarationError, match=r"^detector 'x' declares no stream$"):
        Detector(name="x", about="", streams=())
    with pytest.raises(DeclarationError, match=r"^detector 'x': stream declared twice: calo$"):
        Detector(name="x", about="", streams=(toy.streams[1], toy.streams[1]))
    with pytest.raises(DeclarationError, match=r"a stream must be a VoxelGrid, .*, not Label$"):
        Detector(name="x", about="", streams=toy.truth)


def test_a_display_must_name_what_there_is(toy):
    evolve(toy, display=Display(stream="cubes", column="charge", label="kind"))
    with pytest.raises(DeclarationError) as caught:
        evolve(toy, display=Display(stream="cubes", column="chrage"))
    assert str(caught.value) == (
        "detector 'toy': display: stream 'cubes' has no 'chrage'; did you mean 'charge'?"
    )


KNOWN = {"name": "x", "file": "", "count": 3, "size": 1.0, "on": False}


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("name", None, "option 'name' must be text, like 'x', not empty"),
        ("file", 5, "option 'file' must be text, not 5"),
        ("count", True, "option 'count' must be a whole number, like 3, not true"),
        ("count", 2.5, "option 'count' must be a whole number, like 3, not 2.5"),
        ("size", "a", "option 'size' must be a number, like 1.0, not 'a'"),
        ("size", False, "option 'size' must be a number, like 1.0, not false"),
        ("on", 1, "option 'on' must be true or false, like false, not 1"),
        (
            "NAME",
            "y",
            "there is no option 'NAME'; did you mean 'name'? (it has: name, file, count, size, on)",
        ),
    ],
)
def test_an_option_of_another_kind_is_named(name, value, fault):
    assert option_faults(KNOWN, {name: value}) == [fault]


def test_options_of_the_kinds_of_their_defaults_are_taken():
    good = {"name": "", "file": "5", "count": 0, "size": 2, "on": True}
    assert option_faults(KNOWN, good) == option_faults(KNOWN, {"size": 2.5}) == []

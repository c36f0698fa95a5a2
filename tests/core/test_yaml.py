"""YAML 1.2 scalars, places, merging."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intarsia.core.errors import RecipeError
from intarsia.core.yaml import dump, parse, read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("-2.5", -2.5),
        ("12", 12),
        ("0", 0),
        ("017", "017"),
        ("12:30", "12:30"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("no", "no"),
        ("true", True),
        ("~", None),
        ("", None),
        ("2026-01-01", "2026-01-01"),
        ("[1, 2.5, a]", [1, 2.5, "a"]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
        ("'1'", "1"),
    ],
)
def test_a_scalar_is_what_yaml_1_2_says(text, value):
    parsed = parse(text, "command line")
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "{}: a recipe is a mapping of keys to values"),
        ("- a\n", "{}: a recipe is a mapping of keys to values"),
        ("a: 1\nb: [\n", "{}:3: not YAML: expected the node content, but found '<stream end>'"),
        ("name: 1\nname: 2\n", "{}:2: name: key written twice"),
        (
            "a:\n  b: 1\n  b: 2\nc: 1\nc: 2\n",
            "{}:3: a.b: key written twice\n{}:5: c: key written twice",
        ),
        (
            "a: !!python/name:os.system\n",
            "{}:1: a: the tag 'tag:yaml.org,2002:python/name:os.system' is not used in recipes",
        ),
        ("a: &x [*x]\n", "{}:1: a.0: a value cannot hold itself"),
        ("? [a]\n: 1\n", "{}:1: recipe: a key must be a word"),
    ],
)
def test_what_is_not_a_recipe_is_refused_with_its_line(tmp_path, text, message):
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(RecipeError) as caught:
        read(file)
    assert str(caught.value) == message.replace("{}", str(file))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(RecipeError, match=r"x\.yaml: not YAML: it is not plain text"):
        read(tmp_path / "x.yaml")
    with pytest.raises(RecipeError, match=r"y\.yaml: No such file"):
        read(tmp_path / "y.yaml")


def test_every_value_keeps_the_place_it_was_written_through_a_merge(tmp_path):
    (tmp_path / "a.yaml").write_text("x:\n  p: 1\n  q: {r: 1}\nz: 1\n")
    (tmp_path / "b.yaml").write_text("\nx:\n  q: 3\n  s: 4\n")
    a, b = read(tmp_path / "a.yaml"), read(tmp_path / "b.yaml")
    both = b.over(a)
    assert both.values == {"x": {"p": 1, "q": 3, "s": 4}, "z": 1}
    places = {"x.p": "a.yaml:2", "x.q": "b.yaml:3", "x.s": "b.yaml:4", "z": "a.yaml:4"}
    for steps, place in places.items():
        assert str(both.place(tuple(steps.split(".")))) == f"{tmp_path}/{place}"
    assert both.place(("x", "q", "r")).line == 3  # what was replaced is forgotten
    assert both.place(("x", "p", "deeper")).steps == ("x", "p", "deeper")


def test_what_is_dumped_is_read_back_alike(tmp_path):
    values = {
        "a": [1, 2.0, 1e-7, "1e-4", "no", "true", "", None, True, "017", "~"],
        "b": {"c": {}, "d": "two: words # not a comment", "1": "\u00e9"},
    }
    (tmp_path / "x.yaml").write_text(dump(values), encoding="utf-8")
    assert read(tmp_path / "x.yaml").values == values


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["1e-4", "017", "~", "null", "yes", "true", "1.", "<<", "=", "- a", "12:30"])
)
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3)
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), VALUES, max_size=3))
def test_any_plain_values_survive_being_dumped_and_parsed(values):
    parsed = parse(dump(values), "text")
    assert parsed == values
    assert repr(parsed) == repr(values)  # 1 is not 1.0 and not true

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from intarsia.core.split import NAMES, split_of, splits_of

part = st.text("abc0123456789", min_size=1, max_size=8)


def test_a_split_never_changes_between_versions_and_machines():
    assert [split_of(f"1/{i}") for i in range(12)] == [NAMES[2 * (i in (2, 11))] for i in range(12)]


@given(part, part, part)
def test_particles_of_one_event_share_its_split(run, event, particle):
    assert split_of(f"{run}/{event}/{particle}") == split_of(f"{run}/{event}")


def test_shares_are_85_5_and_10_per_cent():
    keys = [f"7/{i}" for i in range(20_000)]
    shares = np.bincount(splits_of(keys), minlength=3) / len(keys)
    np.testing.assert_allclose(shares, [0.85, 0.05, 0.10], atol=0.008)  # three sigma


def test_many_keys_give_what_each_gives_alone():
    keys = ["1/2", "1/2/3", "x/y"]
    assert [NAMES[i] for i in splits_of(keys)] == [split_of(k) for k in keys]
    assert splits_of([]).dtype == np.uint8
    assert len(splits_of([])) == 0

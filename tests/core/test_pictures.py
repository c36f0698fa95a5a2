"""Arrays for the pictures of a run."""

import shutil

import numpy as np
import pytest
import toy
import toy_run

from intarsia.core.pictures import chosen, pictures
from intarsia.core.store import EventFile


def arrays(folder):
    found = {}
    for path in sorted((folder / "pictures").glob("*.npz")):
        with np.load(path, allow_pickle=False) as file:
            found[int(path.stem)] = {k: file[k] for k in file.files}
    return found


@pytest.fixture
def redrawn(finished, tmp_path):
    """Pictures of the finished run, drawn by a recipe with some changes."""

    def redrawn(*changes):
        out = tmp_path / "redrawn"
        shutil.copytree(finished, out, dirs_exist_ok=True)
        shutil.rmtree(out / "pictures")
        (out / "recipe.yaml").unlink()
        bench = toy_run.bench(toy_run.recipe(tmp_path, *changes), out)
        pictures(bench)
        return bench, arrays(out) if (out / "pictures").exists() else {}

    return redrawn


def test_pictures_are_of_test_events(finished):
    file = EventFile(finished / "data" / "events.h5")
    assert len(arrays(finished)) == 2
    assert set(arrays(finished)) <= set(file.select("test").tolist())


def test_kept_and_hidden_voxels_are_all_voxels_of_the_event(finished):
    file = EventFile(finished / "data" / "events.h5")
    for number, drawn in arrays(finished).items():
        table = file.take([number]).streams["cubes"]
        parts = [drawn[f"cubes/{k}_index"] for k in ("kept", "hidden")]
        assert all(map(len, parts))
        cells = [
            np.ravel_multi_index(tuple(p.T), toy.CUBES.shape) for p in (*parts, table["index"])
        ]
        np.testing.assert_array_equal(np.sort(np.concatenate(cells[:2])), np.sort(cells[2]))
        charge = np.concatenate([drawn[f"cubes/{k}_values"] for k in ("kept", "hidden")])
        np.testing.assert_allclose(np.sort(charge[:, 0]), np.sort(table["charge"]), rtol=1e-4)


def test_predicted_labels_stand_beside_the_true_ones(finished):
    for drawn in arrays(finished).values():
        voxels = len(drawn["cubes/label_index"])
        assert voxels
        for name, width in (("ghost", ()), ("origin", (3,)), ("kind", (3,))):
            assert drawn[f"cubes/{name}_predicted"].shape == (voxels, *width)
            assert len(drawn[f"cubes/{name}_true"]) == voxels


def test_every_hidden_patch_is_drawn_and_no_visible_one_whatever_training_asks_for(redrawn):
    view = "{mask_ratio: 0.75, drop: 0.3, decode: 0.1, visible: 0.5}"
    _, found = redrawn(f"stages.mae_rel.tasks.mae.view={view}")
    _, whole = redrawn()
    assert found.keys() == whole.keys()
    for number, drawn in found.items():
        for name in ("cubes/kept_index", "cubes/hidden_index", "cubes/predicted_index"):
            np.testing.assert_array_equal(drawn[name], whole[number][name])


def test_the_same_run_draws_the_same(finished, redrawn):
    _, found = redrawn()
    before = arrays(finished)
    assert found.keys() == before.keys()
    for number, drawn in found.items():
        assert drawn.keys() == before[number].keys()
        for name, values in drawn.items():
            np.testing.assert_array_equal(values, before[number][name])


def test_none_are_drawn_where_none_are_asked_for(redrawn):
    assert redrawn("report.pictures=0")[1] == {}


def test_as_many_are_drawn_as_there_are_test_events_at_most(redrawn):
    bench, found = redrawn("report.pictures=1000")
    assert sorted(found) == sorted(bench.split("test").tolist())


def test_events_of_typical_size_are_drawn(redrawn):
    bench, _ = redrawn()
    rows = bench.file.rows("cubes")
    test = rows[bench.split("test")]
    for number in chosen(bench):
        assert np.quantile(test, 0.4) <= rows[number] <= np.quantile(test, 0.8)

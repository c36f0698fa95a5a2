"""A finished run folder, written by hand."""

import json

import numpy as np
import pytest

from intarsia.core.produce import produce
from intarsia.core.store import EventFile
from intarsia.core.store_predictions import write_predictions

RECIPE = {
    "name": "toy <run>",
    "about": "A toy.",
    "stages": {
        "mae": {"epochs": 3, "batch": 8, "tasks": {}, "optim": {"lr": 1e-3, "method": "muon"}},
        "finetune/scratch": {
            "tasks": {"kind_of": {"truth": "flavour"}, "vertex": {}, "kinematics": {}},
            "labels": 30,
        },
        "finetune/mae": {"tasks": {}, "start": "mae", "labels": 30, "epochs": 4, "min_steps": 99},
    },
    "report": {"bootstrap": 10, "probe": 30},
    "published": {
        "kind_of": {
            "source": "a paper",
            "rows": {"Theirs": {"accuracy": 0.9}},
            "confusion": {"Theirs": [[1, 0, 0], [0, 1, 0], [0, 0.5, 0.5]]},
        },
        "voxels": {"source": "another paper", "rows": {"PoLAr": {"f1_macro": 0.837}}},
    },
}


def predictions(folder, name, truth, seed):
    rng = np.random.default_rng(seed)
    n = len(truth["flavour"])
    columns = {
        "keys": np.array([f"5/{i}" for i in range(n)]),
        "weight": np.ones(n),
        "kind_of/scores": rng.dirichlet([1] * 3, n) * 0.8 + 0.2 * np.eye(3)[truth["flavour"]],
        "kind_of/truth": truth["flavour"],
        "vertex/prediction": truth["vertex"] + rng.normal(size=(n, 3)),
        "vertex/truth": truth["vertex"],
        "energy/prediction": truth["energy"] * 1.1,
        "energy/truth": truth["energy"],
        "kinematics/prediction": rng.normal(size=(n, 3, 3)),
        "kinematics/truth": rng.normal(size=(n, 3, 3)),
        "voxels/counts": rng.integers(0, 9, (n, 2, 2)),
    }
    attrs = {"seed": seed, "classes": {"voxels": ["track", "shower"]}}
    write_predictions(folder / "predictions" / f"{name}.h5", columns, attrs)


def picture(folder, file, number):
    table = file.take([number]).streams["cubes"]
    arrays = {"cubes/label_index": table["index"], "cubes/ghost_true": table["ghost"]}
    for what in ("kept", "hidden", "predicted"):
        arrays[f"cubes/{what}_index"] = table["index"]
        arrays[f"cubes/{what}_values"] = table["charge"][:, None]
    (folder / "pictures").mkdir()
    np.savez_compressed(folder / "pictures" / f"{number}.npz", **arrays)


@pytest.fixture(scope="module")
def run(tmp_path_factory, toy):
    out = tmp_path_factory.mktemp("run")
    produce(toy, 60, 5, out / "data" / "events.h5", workers=1)
    file = EventFile(out / "data" / "events.h5")
    (out / "run.json").write_text(
        json.dumps({"recipe": RECIPE, "versions": {"torch": "2.13"}, "seconds": {"mae": 3.2}})
    )
    (out / "recipe.yaml").write_text("name: toy <run>\n")
    for stage in ("mae", "finetune/mae"):
        (out / stage).mkdir(parents=True)
        log = "epoch,step,split,seconds,lr,loss,x\n1,10,train,1,0.1,2.0,\n1,10,val,1,,2.5,\n"
        (out / stage / "log.csv").write_text(log)
    for i, name in enumerate(("scratch", "mae", "mae-seed1", "probe-random", "hand_features")):
        predictions(out, name, file.truth, i)
    picture(out, file, 7)
    return out

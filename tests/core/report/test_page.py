import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from intarsia.core import report
from intarsia.core.errors import EventError, RunError
from intarsia.core.produce import produce
from intarsia.core.store import EventFile
from intarsia.core.store_predictions import write_predictions

RECIPE = {
    "name": "toy <run>",
    "about": "A toy.",
    "stages": {
        "mae": {"epochs": 3, "batch": 8, "tasks": {}, "optim": {"lr": 1e-3}},
        "finetune/scratch": {
            "tasks": {"kind_of": {"truth": "flavour"}, "vertex": {}},
            "labels": 30,
        },
        "finetune/mae": {"tasks": {}, "start": "mae", "labels": 30},
    },
    "report": {"bootstrap": 10, "probe": 30},
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
    }
    write_predictions(folder / "predictions" / f"{name}.h5", columns, {"seed": seed})


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


@pytest.fixture(scope="module")
def html(run):
    path = report.write(run)
    assert path == run / "report.html"
    return path.read_text()


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.found += [v for k, v in attrs if k in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else(html):
    links = Links()
    links.feed(html)
    assert links.open == []
    assert links.found
    assert all(link.startswith("data:image/png;base64,") for link in links.found)
    assert "url(" not in html
    assert "<script" not in html


def test_the_page_says_what_was_run(html):
    assert "toy &lt;run&gt;" in html
    assert "60 events of toy: " in html
    assert "Fine-tuned on 30 labelled events, each with 2 seeds: from scratch, MAE." in html
    assert "there is no physics in them" in html
    assert "<h3>Kind of, macro AUROC</h3>" in html
    assert "random encoder, frozen probe" in html
    assert "hand-made features" in html
    assert "sigma_MAD" in html


def test_figures_lie_beside_the_page(run, html):
    assert sorted(p.name for p in (run / "figures").iterdir()) == [
        "event-7-cubes-ghost.png",
        "event-7-cubes-masked.png",
        "event-7.png",
        "kind_of-confusion.png",
        "kind_of-roc.png",
        "losses.png",
        "overview.png",
        "vertex-distance.png",
    ]
    assert len(re.findall("<figure>", html)) == 8


def test_metrics_are_written_as_strict_json(run, html):
    found = json.loads((run / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert found["n_train"] == 30
    assert found["simulation"] == "sample"
    assert list(found["starts"]) == ["scratch", "mae"]
    assert len(found["starts"]["mae"]["kind_of"]["per_seed"]["auc_macro"]) == 2


def test_writing_again_gives_the_same(run, html):
    metrics = (run / "metrics.json").read_bytes()
    assert report.write(run).read_text() == html
    assert (run / "metrics.json").read_bytes() == metrics


def test_a_run_of_which_little_is_there(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    html = report.write(tmp_path).read_text()
    assert "Nothing was evaluated in this run." in html
    assert "It is not recorded how these events came about." in html
    assert not (tmp_path / "metrics.json").exists()


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(RunError) as caught:
        report.write(tmp_path)
    assert str(caught.value) == f"{tmp_path}: not the folder of a run, it has no run.json"


def test_a_damaged_picture_file_is_named(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "3.npz").write_bytes(b"no")
    with pytest.raises(EventError, match=r"3.npz: not a whole file of pictures: "):
        report.write(tmp_path)

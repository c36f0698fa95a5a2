import json
import re
from html.parser import HTMLParser

import pytest

from intarsia.core import report
from intarsia.core.errors import EventError, RunError


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
    assert "Test event 5/7 as measured." in html
    assert "Event 5/7, cubes: true and predicted ghost of the visible voxels." in html
    assert "missing transverse momentum, from scratch" in html
    assert "lepton momentum, MAE" in html


def test_the_page_says_how_each_stage_was_trained(html):
    cells = [
        re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", r)
        for r in re.findall(r"<tr>.*?</tr>", html, re.DOTALL)
    ]
    at = cells.index(
        ["stage", "starts from", "epochs", "batch", "events", "optimiser", "learning rate per 256"]
    )
    assert cells[at + 1] == ["mae", "-", "3", "8", "all", "Muon", "0.001"]
    assert cells[at + 3][:6] == ["finetune/mae", "mae", "4, at least 99 steps", "", "30", "AdamW"]


def test_published_numbers_are_marked_beside_ours(html):
    for row in ("\N{DAGGER} Theirs", "\N{DAGGER} Theirs: true ", "\N{DAGGER} PoLAr"):
        assert f'<th scope="row">{row}' in html
    assert html.count("not to be compared with ours. Source: a paper.") == 2
    assert html.count("Source: another paper.") == 1
    assert "<h2>Voxels: which class of voxel</h2>" in html


def test_figures_lie_beside_the_page(run, html):
    assert sorted(p.name for p in (run / "figures").iterdir()) == [
        "event-7-cubes-ghost.png",
        "event-7-cubes-masked.png",
        "event-7.png",
        "kind_of-confusion.png",
        "kind_of-roc.png",
        "kinematics-residuals.png",
        "losses.png",
        "overview.png",
        "vertex-distance.png",
    ]
    assert len(re.findall("<figure>", html)) == 9


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

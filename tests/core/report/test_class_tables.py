"""Tables of classes, and published numbers marked beside ours."""

import numpy as np

from intarsia.core.report.class_tables import MARK, classification, highest, marked, segments
from intarsia.core.voxel_metrics import segmentation

ONE = {
    "auc_macro": [0.8, 0.7, 0.9],
    "auc": {"a": [0.9, 0.8, 1.0], "b_c": [0.7, 0.6, 0.8]},
    "accuracy": 0.75,
    "entropy_auroc": [0.6, 0.5, 0.7],
    "confusion_highest": {"classes": ["a", "b_c"], "matrix": [[0.9, 0.1], [0.4, 0.6]]},
}
FOUND = {"starts": {"scratch": {"pid": ONE}}}
PUBLISHED = {
    "source": "somewhere",
    "rows": {"Theirs": {"accuracy": 0.875, "entropy_auroc": None}},
    "confusion": {"Theirs": [[1.0, 0.0], [0.25, 0.75]]},
}


def test_published_numbers_come_last_and_are_marked():
    table = classification(FOUND, "pid", PUBLISHED)
    heads = ["", "macro AUROC", "a", "b c", "accuracy", "entropy AUROC"]
    assert list(table.heads) == heads
    ours, theirs = table.rows
    assert ours[0] == "from scratch"
    assert ours[4:] == ["0.750", "0.600 [0.500, 0.700]"]
    assert theirs == [f"{MARK} Theirs", "-", "-", "-", "0.875", "-"]
    assert classification(FOUND, "pid") == type(table)(heads, [ours])


def test_published_confusion_stands_below_ours():
    rows = highest(FOUND, "pid", PUBLISHED).rows
    assert [row[0] for row in rows] == [
        "from scratch: true a",
        "from scratch: true b c",
        f"{MARK} Theirs: true a",
        f"{MARK} Theirs: true b c",
    ]
    assert rows[3][1:] == ["0.250", "0.750"]
    assert highest({"starts": {}}, "pid", PUBLISHED) is None


def test_the_mark_says_where_they_stand():
    assert marked({}) == marked(None) == ""
    assert marked(PUBLISHED).endswith("are not to be compared with ours. Source: somewhere.")


def test_classes_of_voxels_have_f1_beside_published_means():
    counts = np.array([[[6, 2], [1, 3]], [[2, 0], [1, 5]]])
    values = segmentation(counts, ("track", "shower"), np.random.default_rng(0), 10)
    found = {"starts": {"scratch": {"segmentation": values}}}
    table = segments(found, "segmentation", {"source": "x", "rows": {"Theirs": {"f1_macro": 0.8}}})
    assert list(table.heads) == ["", "macro F1", "track", "shower", "mean IoU", "accuracy"]
    ours, theirs = table.rows
    # pooled over events: track 8 right, 2 missed, 2 wrong; shower 8 right, 2 missed, 2 wrong
    assert [cell.partition(" ")[0] for cell in ours[1:]] == ["0.800"] * 3 + ["0.667", "0.800"]
    assert theirs == [f"{MARK} Theirs", "0.800", "-", "-", "-", "-"]

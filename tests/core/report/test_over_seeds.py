from intarsia.core.report.over_seeds import paired, spread

MEASURES = [
    ("flavour", "flavour: macro AUROC (right is better)"),
    ("vertex_mm", "vertex: median distance [mm] (left is better)"),
]
ROWS = [
    {"start": "scratch", "group": "fine-tuned", "flavour seeds": [0.66, 0.68, 0.70]},
    {
        "start": "mae",
        "group": "probe",
        "flavour seeds": [0.75],
        "vertex_mm seeds": [110.0, None, 120.0],
    },
]


def test_mean_and_spread_of_every_measure():
    table = spread(ROWS, MEASURES)
    assert table.heads == ["", "flavour: macro AUROC", "vertex: median distance [mm]"]
    assert table.rows == [
        ["from scratch", "0.680 ± 0.020", "-"],
        ["MAE, frozen probe", "0.750", "115 ± 7"],
    ]


def test_a_single_seed_has_no_spread():
    assert spread([{"start": "mae", "group": "probe", "flavour seeds": [0.7]}], MEASURES) is None
    assert spread([], MEASURES) is None
    assert paired({"starts": {"scratch": {}, "mae": {"flavour": {}}}}, MEASURES) is None
    assert paired({}, MEASURES) is None


def test_differences_from_scratch_seed_by_seed():
    mae = {
        "flavour": {"against_scratch": {"auc_macro": [0.09, 0.079, 0.073], "accuracy": [0, 0, 0]}},
        "vertex_mm": {"against_scratch": {"mean": [1.0, 2.0], "median": [-35.2, -42.4]}},
    }
    table = paired({"starts": {"scratch": {}, "mae": mae}}, MEASURES)
    assert table.rows == [
        ["MAE", "+0.090, +0.079, +0.073; +0.081 ± 0.009", "-35.2, -42.4; -38.8 ± 5.1"]
    ]

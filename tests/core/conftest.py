"""A small detector with every kind of stream."""

import pytest
import toy_run

from intarsia.core.detector import Detector
from intarsia.core.streams import (
    Axis,
    Column,
    DenseArray,
    Label,
    PointCloud,
    TrackSet,
    VoxelGrid,
)

CHARGE = Column(name="charge", unit="MeV", scale="log1p", about="deposited energy")


@pytest.fixture(scope="session")
def toy() -> Detector:
    return Detector(
        name="toy",
        about="Every kind of stream, small",
        streams=(
            VoxelGrid(
                name="cubes",
                axes=(Axis(8, 10.0, -40.0), Axis(8, 10.0, -40.0), Axis(12, 10.0, 0.0, (5.0,))),
                patch=(4, 4, 3),
                window=(2, 2, 2),
                columns=(CHARGE, Column(name="pixels", unit="1", dtype="int32")),
                labels=(
                    Label(name="ghost", classes=("real", "ghost")),
                    Label(name="kind", classes=("track", "blob", "noise"), soft=True),
                ),
            ),
            DenseArray(name="calo", shape=(3, 4), along=("x", "y"), columns=(CHARGE,)),
            TrackSet(
                name="muon",
                planes=4,
                columns=(Column(name="p", unit="GeV/c", width=3, moves="vector"),),
                points=(Column(name="hit", unit="mm", width=3, moves="point"),),
            ),
            PointCloud(
                name="cloud",
                groups=4,
                columns=(CHARGE, Column(name="way", unit="1", width=3, moves="vector")),
                labels=(Label(name="ghost", classes=("real", "ghost")),),
            ),
        ),
        truth=(
            Label(name="flavour", classes=("e", "mu", "tau")),
            Label(name="vertex", unit="mm", width=3, moves="point"),
            Label(name="energy", unit="GeV"),
        ),
    )


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Folder of a whole run with three starts; not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    toy_run.run(toy_run.recipe(out.parent), out)
    return out


@pytest.fixture
def no_report(monkeypatch):
    """Runs that end before their page, which takes longer than the rest of a small run."""
    monkeypatch.setattr("intarsia.core.report.write", lambda out: out / "report.html")

"""Every foreign format there is, with its writer: what the tests of damage go through."""

from __future__ import annotations

import shutil

from damage import Format
from writers import fasercal, larcv2, pilarnet, superfgd
from writers.trees import write_trees

from intarsia.detectors.fasercal import FASERCAL, FASERCAL_A
from intarsia.detectors.pilarnet import PILARNET, PILARNET_EVENT
from intarsia.detectors.superfgd import SUPERFGD

FORMATS = (
    Format(
        name="fasercal_main",
        detector=FASERCAL_A,
        reader="npz",
        suffix=".npz",
        write=lambda path: fasercal.write_npz(path, fasercal.drawn(3)),
        columns="npz",
    ),
    Format(
        name="fasercal_develop_saul",
        detector=FASERCAL_A,
        reader="npz",
        suffix=".npz",
        write=lambda path: fasercal.write_npz(path, fasercal.newer(fasercal.drawn(4))),
        columns="npz",
    ),
    Format(
        name="fasercal_calevent",
        detector=FASERCAL,
        reader="calevent",
        suffix=".root",
        write=lambda path: write_trees(path, {"calEvent": fasercal.calevent(5)}),
    ),
    Format(
        name="fasercal_calevent_by_root",
        detector=FASERCAL,
        reader="calevent",
        suffix=".root",
        write=lambda path: shutil.copyfile(larcv2.FILE.with_name("calevent.root"), path),
    ),
    Format(
        name="fasercal_recoevent",
        detector=FASERCAL,
        reader="recoevent",
        suffix=".root",
        write=lambda path: write_trees(path, fasercal.recoevent(6)),
    ),
    Format(
        name="fasercal_recoevent_by_root",
        detector=FASERCAL,
        reader="recoevent",
        suffix=".root",
        write=lambda path: shutil.copyfile(larcv2.FILE.with_name("recoevent.root"), path),
    ),
    Format(
        name="pilarnet_larcv3",
        detector=PILARNET,
        reader="larcv3",
        suffix=".h5",
        write=lambda path: pilarnet.write_larcv3(path, pilarnet.drawn(5)),
        columns="hdf5",
        options={"least": 5},
    ),
    Format(
        name="pilarnet_event_larcv3",
        detector=PILARNET_EVENT,
        reader="larcv3",
        suffix=".h5",
        write=lambda path: pilarnet.write_larcv3(path, pilarnet.drawn(6)),
        columns="hdf5",
    ),
    Format(
        name="pilarnet_larcv2",
        detector=PILARNET,
        reader="larcv2",
        suffix=".root",
        write=lambda path: shutil.copyfile(larcv2.FILE, path),
        options={"least": 5},
    ),
    Format(
        name="pilarnet_event_larcv2",
        detector=PILARNET_EVENT,
        reader="larcv2",
        suffix=".root",
        write=lambda path: write_trees(path, larcv2.products(pilarnet.drawn(6))),
    ),
    Format(
        name="pilarnet_m",
        detector=PILARNET,
        reader="pilarnet_m",
        suffix=".h5",
        write=lambda path: pilarnet.write_m(path, pilarnet.drawn(7)),
        columns="hdf5",
        options={"least": 5},
    ),
    Format(
        name="pilarnet_m_v1",
        detector=PILARNET_EVENT,
        reader="pilarnet_m",
        suffix=".h5",
        write=lambda path: pilarnet.write_m(path, pilarnet.drawn(8), "v1"),
        columns="hdf5",
    ),
    Format(
        name="superfgd",
        detector=SUPERFGD,
        reader="pt",
        suffix=".pt",
        write=lambda path: superfgd.write_pt(path, superfgd.drawn(9, pdg=13)),
    ),
)

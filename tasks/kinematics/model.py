"""Regression of momenta at work.

Shape letters: B events; 2 momenta, visible and jet; 4 coordinates of each.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from intarsia.core.batch import Batch
from intarsia.core.encoder import Encoded
from intarsia.core.errors import DeclarationError
from intarsia.core.heads import head
from intarsia.core.losses import regression
from intarsia.core.task_module import Setting, TaskModule
from intarsia.tasks.kinematics import Kinematics

# Coordinates that share a loss: what is known of one says little of the others.
PARTS = {"phi": slice(0, 2), "transverse": slice(2, 3), "along": slice(3, 4)}
HIGHEST = 20.0  # log1p(p / unit) beyond which a prediction is cut off, so that it stays finite
ROUNDING = 1e-6  # pT below this share of a momentum is what float32 leaves of zero


class Momenta(TaskModule):
    """Visible and jet momentum, GeV/c, in cylindrical coordinates with logarithmic magnitudes.

    Each momentum is four numbers of order one: ``cos phi``, ``sin phi`` and

        t = (log1p(pT / k_T) - m_T) / s_T,   l = (sign(pz) log1p(|pz| / k_z) - m_z) / s_z

    (arXiv:2604.07037, appendix C 2: cylindrical, log-space magnitudes). k is 1.4826 times the median
    distance from the median, m the median and s again that width, of pT and pz and of their
    logarithms over the training split; they are kept in the checkpoint. phi as a point on the circle
    has no jump at pi, and a head that starts at zero says that nothing is known of it.

    phi, t and l of each momentum are a loss each, so that each learns its own weight: the weight of a sum
    would credit l, which calorimeters know well, with the noise of phi, which hardly anything tells.
    """

    def __init__(self, options: Kinematics, setting: Setting) -> None:
        super().__init__()
        self.names, self.beta = (options.visible, options.jet), options.beta
        self.terms = tuple(f"{name}_{part}" for name in ("visible", "jet") for part in PARTS)
        scales = [_scales(setting, name) for name in self.names]
        self.head = head(options, setting, 8)
        self.unit: Tensor
        self.median: Tensor
        self.width: Tensor
        for key in ("unit", "median", "width"):
            both = [[s["transverse"][key], s["along"][key]] for s in scales]
            self.register_buffer(key, torch.tensor(both))

    def forward(self, encoded: Encoded, batch: Batch) -> dict[str, Tensor]:
        """The four coordinates of both momenta, (B, 2, 4)."""
        return {"coordinates": self.head(encoded).reshape(-1, 2, 4)}

    def losses(
        self, out: Mapping[str, Tensor], encoded: Encoded, batch: Batch
    ) -> dict[str, Tensor]:
        """Smooth L1 loss of each of `PARTS` of each momentum, over the events where it is known.

        A momentum along z has no phi; its other two coordinates count.
        """
        true = self.coordinates(torch.stack([batch.truth[n] for n in self.names], 1))
        momenta = zip(out["coordinates"].unbind(1), true.unbind(1), strict=True)
        parts = [(f[:, p], t[:, p]) for f, t in momenta for p in PARTS.values()]
        return {
            term: regression(found, wanted, self.beta)
            for term, (found, wanted) in zip(self.terms, parts, strict=True)
        }

    def predictions(self, out: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """``prediction`` (B, 3, 3) in GeV/c: visible, jet and lepton = visible - jet."""
        return {"prediction": with_lepton(self.momenta(out["coordinates"]))}

    def target(self, batch: Batch) -> Tensor | None:
        """The true momenta in the same layout; the lepton's is zero for neutral currents."""
        if not all(name in batch.truth for name in self.names):
            return None
        return with_lepton(torch.stack([batch.truth[n] for n in self.names], 1))

    def coordinates(self, momenta: Tensor) -> Tensor:
        """Coordinates (B, 2, 4) of momenta (B, 2, 3); NaN stays, and phi along z is NaN."""
        xy, z = momenta[..., :2], momenta[..., 2]
        transverse = xy.norm(dim=-1)
        sizes = torch.stack([transverse, z], -1)
        logs = sizes.sign() * torch.log1p(sizes.abs() / self.unit)
        turned = transverse > ROUNDING * momenta.norm(dim=-1)
        phi = torch.where(turned[..., None], xy / transverse[..., None], torch.nan)
        return torch.cat([phi, (logs - self.median) / self.width], -1)

    def momenta(self, coordinates: Tensor) -> Tensor:
        """Inverse of `coordinates`; a negative pT becomes 0, and without any direction phi is 0."""
        logs = (coordinates[..., 2:] * self.width + self.median).clamp(-HIGHEST, HIGHEST)
        sizes = logs.sign() * torch.expm1(logs.abs()) * self.unit
        phi = torch.atan2(coordinates[..., 1], coordinates[..., 0])
        transverse = sizes[..., 0].clamp(min=0)
        return torch.stack([transverse * phi.cos(), transverse * phi.sin(), sizes[..., 1]], -1)


def with_lepton(momenta: Tensor) -> Tensor:
    """Visible and jet momenta (B, 2, 3), and below them their difference: (B, 3, 3)."""
    return torch.cat([momenta, momenta[:, :1] - momenta[:, 1:]], 1)


def _scales(setting: Setting, name: str) -> Mapping[str, Mapping[str, float]]:
    """Scales of the momentum `name`; DeclarationError if it is no vector of three numbers."""
    label = setting.detector.label(name)
    if label.moves != "vector" or label.width != 3:
        raise DeclarationError(f"event truth {name!r} is not a momentum: a vector of width 3")
    found: Mapping[str, Mapping[str, float]] = setting.normalisation["truth"][name]
    return found

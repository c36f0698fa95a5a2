"""Electromagnetic showers in a block by Geant4, for comparison with those of our transport.

Run as ``python benchmarks/geant4.py [MATERIAL [X0 CRITICAL]]`` where ``geant4-pybind``, numpy and scipy are
installed and Geant4's data are found (G4LEDATA; intarsia itself is not needed). MATERIAL: Geant4's
name of it, by default that of PVT; X0 in mm and critical energy in MeV, which give Moliere's radius.
Prints, for electrons and photons of 3 and 20 GeV: the share of the energy within 1, 2 and 3.5 Moliere
radii, the radius of nine tenths over that radius, and the depth of the maximum in X0.

Standard electromagnetic physics with its default cuts. Photoelectric effect and coherent scattering
are left out and photons below 30 keV absorbed, so that light materials need no other data than
bremsstrahlung's (brem_SB, elements of the material). One process for each energy: Geant4 lives once.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys

import geant4_pybind as g4
import numpy as np
from scipy.optimize import curve_fit

PVT = ("G4_PLASTIC_SC_VINYLTOLUENE", "425.4", "93.1")
CASES = (("e-", 3e3, 400), ("gamma", 3e3, 600), ("e-", 20e3, 150), ("gamma", 20e3, 250))
SLOWEST = 0.03  # MeV; softer photons are absorbed
HALF = 20e3  # mm; half the size of the block


class Block(g4.G4VUserDetectorConstruction):
    """Endless matter."""

    def __init__(self, material: str) -> None:
        super().__init__()
        self.material = material

    def Construct(self):  # noqa: N802, D102
        matter = g4.G4NistManager.Instance().FindOrBuildMaterial(self.material)
        self.logical = g4.G4LogicalVolume(g4.G4Box("block", HALF, HALF, HALF), matter, "block")
        here = g4.G4ThreeVector()
        self.placed = g4.G4PVPlacement(None, here, self.logical, "block", None, False, 0)
        return self.placed


class Without(g4.G4VPhysicsConstructor):
    """Take two processes of photons away again."""

    def ConstructParticle(self) -> None:  # noqa: N802, D102
        pass

    def ConstructProcess(self) -> None:  # noqa: N802, D102
        manager = g4.G4Gamma.Gamma().GetProcessManager()
        for process in list(manager.GetProcessList()):
            if process.GetProcessName() in ("phot", "Rayl"):
                manager.RemoveProcess(process)


class Gun(g4.G4VUserPrimaryGeneratorAction):
    """One particle along z, a metre within the block."""

    def __init__(self, name: str, energy: float) -> None:
        super().__init__()
        self.gun = g4.G4ParticleGun(1)
        kind = g4.G4ParticleTable.GetParticleTable().FindParticle(name)
        self.gun.SetParticleDefinition(kind)
        self.gun.SetParticleEnergy(energy)
        self.gun.SetParticleMomentumDirection(g4.G4ThreeVector(0, 0, 1))
        self.gun.SetParticlePosition(g4.G4ThreeVector(0, 0, 1e3 - HALF))

    def GeneratePrimaries(self, event) -> None:  # noqa: N802, D102
        self.gun.GeneratePrimaryVertex(event)


class Steps(g4.G4UserSteppingAction):
    """Where energy stays: rows of radius, depth in mm and MeV, at random along each step."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[float, float, float]] = []
        self.rng = np.random.default_rng(0)

    def UserSteppingAction(self, step) -> None:  # noqa: N802, D102
        energy, track = step.GetTotalEnergyDeposit(), step.GetTrack()
        before = step.GetPreStepPoint().GetPosition()
        after = step.GetPostStepPoint().GetPosition()
        part = self.rng.random()
        if track.GetParticleDefinition().GetPDGEncoding() == 22:
            part = 1.0
            if 0 < track.GetKineticEnergy() < SLOWEST:
                energy += track.GetKineticEnergy()
                track.SetTrackStatus(g4.G4TrackStatus.fStopAndKill)
        if energy > 0:
            x = before.x + part * (after.x - before.x)
            y = before.y + part * (after.y - before.y)
            z = before.z + part * (after.z - before.z)
            self.rows.append((math.hypot(x, y), z + HALF - 1e3, energy))


class Actions(g4.G4VUserActionInitialization):
    """Gun and book-keeping."""

    def __init__(self, name: str, energy: float) -> None:
        super().__init__()
        self.name, self.energy = name, energy

    def Build(self) -> None:  # noqa: N802, D102
        self.gun, self.steps = Gun(self.name, self.energy), Steps()
        self.SetUserAction(self.gun)
        self.SetUserAction(self.steps)


def showers(material: str, name: str, energy: float, events: int) -> np.ndarray:
    """Rows of radius mm, depth mm, MeV of all steps of `events` showers."""
    manager = g4.G4RunManagerFactory.CreateRunManager(g4.G4RunManagerType.Serial)
    physics = g4.G4VModularPhysicsList()
    constructors = g4.G4EmStandardPhysics(), Without("without")
    for constructor in constructors:
        physics.RegisterPhysics(constructor)
    g4.G4EmParameters.Instance().SetGeneralProcessActive(False)
    physics.SetDefaultCutValue(0.7)
    block, actions = Block(material), Actions(name, energy)
    manager.SetUserInitialization(block)
    manager.SetUserInitialization(physics)
    manager.SetUserInitialization(actions)
    manager.Initialize()
    manager.BeamOn(events)
    return np.array(actions.steps.rows)


def report(rows: np.ndarray, x0: float, critical: float) -> str:
    """Shares, radius and maximum; the first two X0 do not count for the latter (PDG 34.5)."""
    radius, depth, energy = rows.T
    radius = radius / (x0 * 21.2 / critical)
    shares = [energy[radius < r].sum() / energy.sum() for r in (1.0, 2.0, 3.5)]
    order = radius.argsort()
    nine = np.interp(0.9, energy[order].cumsum() / energy.sum(), radius[order])
    profile = np.histogram(depth / x0, 96, (0.0, 24.0), weights=energy)[0]
    t = (np.arange(96) + 0.5) / 4

    def law(t: np.ndarray, size: float, a: float, b: float) -> np.ndarray:
        return size * (b * t) ** (a - 1) * np.exp(-b * t)

    late = t > 2
    start = (1.0, 3.0, 0.5)
    fit = curve_fit(law, t[late], profile[late] / profile.max(), start, bounds=(0, 20))
    (_, a, b), _ = fit
    within = " ".join(f"{share:.3f}" for share in shares)
    return f"within 1, 2, 3.5: {within}; nine tenths: {nine:.2f}; maximum: {(a - 1) / b:.2f} X0"


def main() -> None:
    """All cases, or the one that three arguments more name: particle, energy in MeV, events."""
    material, x0, critical = (*sys.argv[1:4], *PVT[len(sys.argv[1:4]) :])
    if len(sys.argv) > 4:
        name, energy, events = sys.argv[4], float(sys.argv[5]), int(sys.argv[6])
        rows = showers(material, name, energy, events)
        line = report(rows, float(x0), float(critical))
        print(f"RESULT {name:>5} {energy / 1e3:g} GeV", line, flush=True)
        os._exit(0)  # Geant4 and Python would both free what they share
    for name, energy, events in CASES:
        case = [sys.executable, __file__, material, x0, critical, name, str(energy), str(events)]
        out = subprocess.run(case, check=True, capture_output=True, text=True).stdout
        print(*(line[7:] for line in out.splitlines() if line.startswith("RESULT")), flush=True)


if __name__ == "__main__":
    main()

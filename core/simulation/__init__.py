"""A fast detector simulation that any detector plugin can use; the only door to numba.

It is a fast, parametrised simulation: neither GEANT4 nor GENIE. Modules, from the bottom up:

- `compiled`: the decorator of every kernel, with a cache that knows when any kernel changed.
- `random`: one generator state per event, so that event i depends on the seed and i alone.
- `vectors`: rotations, boosts and two-body decays.
- `particles`: the species, their masses, lifetimes and PDG numbers.
- `materials`, `ionisation`: PDG material constants; Bethe loss and Landau fluctuations.
- `tables`, `screening`: the grid of all tables; bremsstrahlung and pair production.
- `electromagnetic`, `hadronic`: what photons, electrons and hadrons do in matter.
- `medium`: a detector's layers, cells and tables as the kernels see them.
- `store`: particles still to be followed, energy deposited in cells, particles that leave.
- `field`, `steps`: what magnetic fields, borders and scattering do to charged particles.
- `photons`, `electrons`, `charged`, `neutral`, `endings`, `transport`: follow particles through
  layers along z, some cut into cells.
- `partons`, `gluons`, `strings`, `jets`, `decays`, `charm`, `charm_channels`, `dis`: neutrino
  interactions, in GeV; `pythia`: the same by Pythia 8; `neutrinos`: one interface to both; `nucleus`:
  the struck nucleon's motion; `spectrum`: energies to draw from.
- `showers`: calorimeter showers from their average shapes.
- `slabs`, `slowing`, `trackfit`: a spectrometer of magnetised iron, how it slows muons, and a Kalman
  filter for them.

Units: mm, MeV and T where particles travel; GeV in the neutrino interactions. Every docstring says.
"""

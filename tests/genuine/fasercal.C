// Writes calevent.root and recoevent.root: trees as FASERCal's simulation and reconstruction lay them
// out. root -l -b -q 'fasercal.C+' in this folder.
#include "TBranch.h"
#include "fasercal.h"

namespace {
PO particle(int pdg, int status, int track, double pz) {
  PO p;
  p.m_pdg_id = pdg;
  p.m_status = status;
  p.geanttrackID = track;
  p.m_pz = pz;
  p.m_energy = std::abs(pz);
  return p;
}

DigitizedTrack* track(int id, int parent, int primary, int pdg, std::vector<long> hits,
                      std::vector<double> energies) {
  auto t = new DigitizedTrack;
  t->ftrackID = id;
  t->fparentID = parent;
  t->fprimaryID = primary;
  t->fPDG = pdg;
  t->fhitIDs = hits;
  t->fEnergyDeposits = energies;
  return t;
}

TPOEvent* interaction(int number) {
  auto event = new TPOEvent;
  event->run_number = 200;
  event->event_id = number;
  event->prim_vx.SetCoordinates(230.5, 150.25, -400.125);
  event->GENIE_vtx_name = "1000741840";
  event->isCC = true;
  event->POs = {particle(14, 4, -1, 500), particle(13, 1, 1, 300), particle(211, 1, 2, 150)};
  event->in_neutrino = event->POs[0];
  event->out_lepton = event->POs[1];
  event->jetpx = 0.5;
  event->jetpz = 190;
  event->vis_spz = 490;
  return event;
}

TcalEvent::GEOM_DETECTOR geometry() {  // of generation B
  TcalEvent::GEOM_DETECTOR found = {};
  found.rearCalNxy = 5;
  found.rearHCalNxy = 18;
  found.rearHCalNlayer = 40;
  found.fFASERCal_LOS_shiftX = 220;
  found.fFASERCal_LOS_shiftY = 170;
  found.fTiltAngleY = -5 * M_PI / 180;
  return found;
}

void calevent() {
  TFile file("calevent.root", "RECREATE", "", 505);
  TTree tree("calEvent", "calEvent");
  std::vector<DigitizedTrack*> tracks = {
      track(1, 0, 1, 13, {3007006005, 9000000047}, {3, 1}),
      track(7, 1, 1, 11, {3007006005, 110000000003}, {1, 9}),
      track(9, 7, 1, 2212, {9}, {1e-4}), track(12, 1, 1, 22, {}, {})};
  std::vector<MagnetTrack*> magnet = {new MagnetTrack};
  magnet[0]->pos = {{1, 2, 3}};
  // A straight muon, from the first to the tenth station, at four planes of each.
  const double from[3] = {538.9377, 320, 2488.49797}, to[3] = {696.268367, 287.6, 4100.92146};
  auto muon = new MuTagTrack, electron = new MuTagTrack;
  muon->ftrackID = 1;
  muon->fPDG = 13;
  electron->fPDG = 11;
  electron->pos = {{0, 0, 0}};
  electron->layerID = {0};
  for (int layer = 0; layer < 40; layer++) {
    double at = (layer / 4) / 9.0, p[3];
    for (int i = 0; i < 3; i++) p[i] = from[i] + at * (to[i] - from[i]);
    muon->pos.push_back({p[0], p[1], p[2]});
    muon->mom.push_back({0, 0, 3e5});
    muon->layerID.push_back(layer);
  }
  std::vector<MuTagTrack*> mutag = {muon, electron};
  auto tube = new MDTTrack;
  tube->stationID = {1, 1};
  tube->driftRadius = {3.5, 12.25};
  tube->tubeCenter = {{1, 2, 3}, {4, 5, 6}};
  std::vector<MDTTrack*> tubes = {tube};
  TPOEvent* event = interaction(7);
  auto geom = geometry();
  std::vector<TcalEvent::REARCALDEPOSIT> rearcal = {{3, 120.5}, {17, 60.25}};
  std::vector<TcalEvent::REARCALDEPOSIT> rearhcal = {{5006007, 2.5}, {39017000, 0.75}};
  double rearmucal = 4.5;
  tree.Branch("tracks", &tracks);
  tree.Branch("magnetracks", &magnet);
  tree.Branch("mutagtracks", &mutag);
  tree.Branch("mdttracks", &tubes);
  tree.Branch("event", &event);
  tree.Branch("geom", &geom);
  tree.Branch("rearcal", &rearcal);
  tree.Branch("rearhcal", &rearhcal);
  tree.Branch("rearmucal", &rearmucal);
  // The numbers lie open, so that tests can damage them.
  for (auto branch : *tree.GetListOfBranches()) ((TBranch*)branch)->SetCompressionLevel(0);
  tree.Fill();
  file.Write();
}

void recoevent() {
  TFile file("recoevent.root", "RECREATE", "", 505);
  TTree tree("RecoEvent", "RecoEvent");
  auto event = new TPORecoEvent;
  tree.Branch("TPORecoEvent", &event);
  for (int n = 0; n < 2; n++) {
    event->fTPOEvent = interaction(7 + n);
    event->PSvoxelmap[3007006005 + n] = {3007006005 + n, 2.5f, false, true, {13, 11}};
    event->PSvoxelmap[9000000047] = {9000000047, 0.5f, true, false, {}};
    event->fMuTracks.resize(1);
    event->fMuTracks[0].fpos = {{1, 2, 3}};
    event->faserCals = {{3, 4.0}};
    event->rearCals = {0.18, 0.003, 4.5, {{3, 120.5}}};
    event->geom_detector = geometry();
    tree.Fill();
  }
  file.Write();
}
}  // namespace

void fasercal() {
  calevent();
  recoevent();
}

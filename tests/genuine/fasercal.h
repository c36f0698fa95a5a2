// Classes of FASERCal's files, by their names, members and bases alone.
#include <cmath>
#include <map>
#include <string>
#include <vector>
#include <Math/Point3D.h>
#include <Math/Vector3D.h>
#include "TFile.h"
#include "TH2D.h"
#include "TObject.h"
#include "TTree.h"

class DigitizedTrack : public TObject {
public:
  int ftrackID = 0, fparentID = 0, fprimaryID = 0, fPDG = 0;
  std::vector<long> fhitIDs;
  std::vector<double> fEnergyDeposits;
  ClassDef(DigitizedTrack, 1)
};

class MagnetTrack : public TObject {
public:
  int ftrackID = 0, fPDG = 0;
  std::vector<ROOT::Math::XYZVector> pos;
  ClassDef(MagnetTrack, 1)
};

class MuTagTrack : public TObject {
public:
  int ftrackID = 0, fPDG = 0;
  std::vector<ROOT::Math::XYZVector> pos, mom;
  std::vector<int> layerID;
  ClassDef(MuTagTrack, 1)
};

class MDTTrack : public TObject {
public:
  int ftrackID = 0, fPDG = 0;
  std::vector<int> stationID, planeID, tubeID;
  std::vector<double> driftRadius, hitX, driftTime;
  std::vector<ROOT::Math::XYZVector> pos, mom, tubeCenter;
  std::vector<double> driftAngle, edep;
  ClassDef(MDTTrack, 2)
};

struct PO {
  int m_pdg_id = 0, m_track_id = 0;
  double m_px = 0, m_py = 0, m_pz = 0, m_energy = 0, m_kinetic_energy = 0;
  double m_vx_decay = 0, m_vy_decay = 0, m_vz_decay = 0;
  int nparent = 0;
  int m_trackid_in_particle[10] = {};
  int m_status = 0;
  int geanttrackID = -1;
};

class TPOEvent : public TObject {
public:
  int run_number = 0, event_id = 0;
  ROOT::Math::PositionVector3D<ROOT::Math::Cartesian3D<double>> prim_vx;
  bool use_GENIE_vtx = false;
  std::string GENIE_vtx_name;
  int vtx_target = 0, event_mask = 0;
  bool isCC = false, istau = false;
  int tau_decaymode = -1;
  std::vector<struct PO> POs, taudecay;
  double tautracklength = 0;
  struct PO in_neutrino, out_lepton;
  double spx = 0, spy = 0, spz = 0, vis_spx = 0, vis_spy = 0, vis_spz = 0;
  double jetpx = 0, jetpy = 0, jetpz = 0, tauvis_px = 0, tauvis_py = 0, tauvis_pz = 0;
  double Evis = 0, ptmiss = 0;
  ClassDef(TPOEvent, 3)
};

class TcalEvent : public TObject {
public:
  struct REARCALDEPOSIT { Long_t moduleID; Double_t energyDeposit; };
  struct GEOM_DETECTOR {
    Double_t fScintillatorSizeX, fScintillatorVoxelSize, fSandwichLength, fTotalLength;
    Int_t NRep, rearCalNxy, rearHCalNxy, rearHCalNlayer;
    Double_t fFASERCal_LOS_shiftX, fFASERCal_LOS_shiftY, fTiltAngleY;
  };
  ClassDef(TcalEvent, 6)
};

class TMuTrack : public TObject {
public:
  int ftrackID = 0;
  std::vector<ROOT::Math::XYZVector> fpos;
  double fp = 0;
  ClassDef(TMuTrack, 1)
};

class TPORecoEvent : public TObject {
public:
  TPOEvent* fTPOEvent = nullptr;
  TH2D* xviewPS = nullptr;
  std::vector<TH2D*> zviewPS;
  struct PSVOXEL3D { long ID; float RawEnergy; bool ghost; bool member_of_TKtrack; std::vector<int> pdgs; };
  std::map<long, struct PSVOXEL3D> PSvoxelmap;
  std::vector<TMuTrack> fMuTracks;
  struct FASERCAL { int ModuleID; double EDeposit; };
  std::vector<struct FASERCAL> faserCals;
  struct REARCALS {
    double rearCalDeposit, rearHCalDeposit, rearMuCalDeposit;
    std::vector<struct TcalEvent::REARCALDEPOSIT> rearCalModule;
  };
  struct REARCALS rearCals;
  struct TcalEvent::GEOM_DETECTOR geom_detector;
  int primary_n_charged = 0;
  ClassDef(TPORecoEvent, 3)
};

#ifdef __ROOTCLING__
#pragma link C++ nestedclasses;
#pragma link C++ class DigitizedTrack+;
#pragma link C++ class MagnetTrack+;
#pragma link C++ class MuTagTrack+;
#pragma link C++ class MDTTrack+;
#pragma link C++ struct PO+;
#pragma link C++ class TPOEvent+;
#pragma link C++ class TcalEvent+;
#pragma link C++ struct TcalEvent::GEOM_DETECTOR;
#pragma link C++ struct TcalEvent::REARCALDEPOSIT;
#pragma link C++ class TPORecoEvent+;
#pragma link C++ struct TPORecoEvent::PSVOXEL3D;
#pragma link C++ struct TPORecoEvent::FASERCAL;
#pragma link C++ struct TPORecoEvent::REARCALS;
#pragma link C++ class TMuTrack;
#pragma link C++ class std::vector<DigitizedTrack*>+;
#pragma link C++ class std::vector<MagnetTrack*>+;
#pragma link C++ class std::vector<MuTagTrack*>+;
#pragma link C++ class std::vector<MDTTrack*>+;
#pragma link C++ class std::vector<TcalEvent::REARCALDEPOSIT>+;
#endif

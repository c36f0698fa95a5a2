// Writes larcv2.root from larcv2.txt: larcv2's classes, by their names, members and bases alone.
// root -l -b -q 'larcv2.C+' in this folder.
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>
#include "TFile.h"
#include "TTree.h"

namespace larcv {
enum ShapeType_t { kShapeShower, kShapeTrack, kShapeUnknown = 6 };
enum DistanceUnit_t { kUnitUnknown, kUnitMM, kUnitCM };

class Point2D { public: double x = 0, y = 0; };
class Point3D { public: double x = 0, y = 0, z = 0; };
class BBox2D { public: virtual ~BBox2D() {} unsigned short _id = 0; Point2D _p1, _p2; };
class BBox3D { public: virtual ~BBox3D() {} Point3D _p1, _p2; };
class Vertex { public: virtual ~Vertex() {} double _x = 0, _y = 0, _z = 0, _t = 0; };

class Voxel { public: unsigned long long _id = 0; float _value = 0; };
class VoxelSet {
public:
  virtual ~VoxelSet() {}
  unsigned short _id = 0;
  std::vector<larcv::Voxel> _voxel_v;
};
class VoxelSetArray { public: virtual ~VoxelSetArray() {} std::vector<larcv::VoxelSet> _voxel_vv; };
class Voxel3DMeta : public BBox3D {
public:
  bool _valid = false;
  unsigned long _num_element = 0;
  double _xlen = 0, _ylen = 0, _zlen = 0;
  unsigned long _xnum = 0, _ynum = 0, _znum = 0;
  DistanceUnit_t _unit = kUnitCM;
};
class SparseTensor3D : public VoxelSet { public: Voxel3DMeta _meta; };
class ClusterVoxel3D : public VoxelSetArray { public: Voxel3DMeta _meta; };

class Particle {
public:
  unsigned short _id = 0, _mcst_index = 0, _mct_index = 0;
  ShapeType_t _shape = kShapeUnknown;
  short _current_type = -1, _interaction_type = -1;
  unsigned int _trackid = 0;
  int _pdg = 0;
  double _px = 0, _py = 0, _pz = 0;
  Vertex _vtx, _end_pt, _first_step, _last_step;
  double _dist_travel = -1, _energy_init = 0, _energy_deposit = 0;
  std::string _process;
  std::vector<larcv::BBox2D> _bb2d_v;
  larcv::BBox3D _bb3d;
  unsigned int _parent_trackid = 0;
  int _parent_pdg = 0;
  Vertex _parent_vtx;
  unsigned int _ancestor_trackid = 0;
  int _ancestor_pdg = 0;
  Vertex _ancestor_vtx;
};
class ParticleSet { public: virtual ~ParticleSet() {} std::vector<larcv::Particle> _part_v; };

class EventBase {
public:
  virtual ~EventBase() {}
  std::string _producer;
  unsigned long _run = 0, _subrun = 0, _event = 0;
};
class EventSparseTensor3D : public EventBase, public SparseTensor3D {};
class EventClusterVoxel3D : public EventBase, public ClusterVoxel3D {};
class EventParticle : public EventBase, public ParticleSet {};
}  // namespace larcv

#ifdef __ROOTCLING__
#pragma link C++ class larcv::Point2D+;
#pragma link C++ class larcv::Point3D+;
#pragma link C++ class larcv::BBox2D+;
#pragma link C++ class larcv::BBox3D+;
#pragma link C++ class larcv::Vertex+;
#pragma link C++ class larcv::Voxel+;
#pragma link C++ class larcv::VoxelSet+;
#pragma link C++ class larcv::VoxelSetArray+;
#pragma link C++ class larcv::Voxel3DMeta+;
#pragma link C++ class larcv::SparseTensor3D+;
#pragma link C++ class larcv::ClusterVoxel3D+;
#pragma link C++ class larcv::Particle+;
#pragma link C++ class larcv::ParticleSet+;
#pragma link C++ class larcv::EventBase+;
#pragma link C++ class larcv::EventSparseTensor3D+;
#pragma link C++ class larcv::EventClusterVoxel3D+;
#pragma link C++ class larcv::EventParticle+;
#pragma link C++ class std::vector<larcv::BBox2D>+;
#pragma link C++ class std::vector<larcv::Voxel>+;
#pragma link C++ class std::vector<larcv::VoxelSet>+;
#pragma link C++ class std::vector<larcv::Particle>+;
#endif

namespace {
template <class T> struct Product {
  T* data = new T;
  larcv::EventBase* base = data;  // larcv2 gives its branches the base class, too
  TTree* tree;
  Product(const std::string& name) : tree(new TTree((name + "_tree").c_str(), "")) {
    auto branch = tree->Branch((name + "_branch").c_str(), &base);
    branch->SetCompressionLevel(0);  // the numbers lie open, so that tests can damage them
  }
  void fill(unsigned long event) {
    base->_run = 1;
    base->_event = event;
    tree->Fill();
  }
};

larcv::Voxel3DMeta grid(unsigned long side) {
  larcv::Voxel3DMeta meta;
  meta._valid = true;
  meta._num_element = side * side * side;
  meta._xlen = meta._ylen = meta._zlen = 0.3;
  meta._xnum = meta._ynum = meta._znum = side;
  meta._p2.x = meta._p2.y = meta._p2.z = 0.3 * side;
  return meta;
}

std::vector<larcv::Voxel> sorted(const std::map<unsigned long long, float>& voxels) {
  std::vector<larcv::Voxel> found;
  for (auto& [id, value] : voxels) {
    found.emplace_back();
    found.back()._id = id;
    found.back()._value = value;
  }
  return found;
}
}  // namespace

void larcv2() {
  std::ifstream in("larcv2.txt");
  TFile file("larcv2.root", "RECREATE", "", 209);
  Product<larcv::EventSparseTensor3D> energies("sparse3d_data"), labels("sparse3d_fivetypes");
  Product<larcv::EventClusterVoxel3D> clusters("cluster3d_mcst");
  Product<larcv::EventParticle> particles("particle_mcst");
  unsigned long event, side, n;
  while (in >> event >> side >> n) {  // n clusters
    std::map<unsigned long long, float> energy, five;
    clusters.data->_voxel_vv.assign(n, {});
    particles.data->_part_v.clear();
    for (unsigned long i = 0; i < n; i++) {
      unsigned long voxels, primary;
      float type;
      larcv::Particle p;
      in >> voxels >> type >> p._pdg >> primary >> p._px >> p._py >> p._pz;
      p._id = i;
      p._trackid = i + 1;
      p._parent_trackid = primary ? p._trackid : 0;
      p._process = primary ? "primary" : "conv";
      if (p._pdg) particles.data->_part_v.push_back(p);
      std::map<unsigned long long, float> mine;
      for (unsigned long v = 0; v < voxels; v++) {
        unsigned long long x, y, z;
        float value;
        in >> x >> y >> z >> value;
        auto id = (z * side + y) * side + x;
        mine[id] = value;
        energy[id] += value;
        five[id] = type;
      }
      clusters.data->_voxel_vv[i]._id = i;
      clusters.data->_voxel_vv[i]._voxel_v = sorted(mine);
    }
    energies.data->_voxel_v = sorted(energy);
    labels.data->_voxel_v = sorted(five);
    energies.data->_meta = labels.data->_meta = clusters.data->_meta = grid(side);
    energies.fill(event);
    labels.fill(event);
    clusters.fill(event);
    particles.fill(event);
  }
  file.Write();
}

// A bounding volume hierarchy over the triangles of a mesh, eight children a node, and what is asked of it: contract.
//
// Everything is flat. A query walks the tree with a stack of fixed size and writes only its own outputs, so that one CPU
// loop step or one CUDA thread is one query. The tree lives in scaled coordinates (times a power of two, which is exact)
// in which the mesh is about 1 large: squares neither overflow nor vanish.
#pragma once
#include <cstdint>
#include <limits>

namespace gk {

template <class T> constexpr T kInfinity = std::numeric_limits<T>::infinity();
template <class T> constexpr T kLargest = std::numeric_limits<T>::max();
template <class T> constexpr T kEpsilon = std::numeric_limits<T>::epsilon();

constexpr int kBvhWidth = 8;        // children of a node, triangles of a leaf
constexpr int kBvhDepth = 56;       // levels below the root, at most
constexpr int kBvhStack = kBvhDepth * (kBvhWidth - 1) + kBvhWidth;
constexpr int32_t kNoChild = -1 - 0x7fffffff;  // an empty place in a node
constexpr int kBoxRows = 6;         // lowest x y z, highest x y z
constexpr int kTriangleRows = 22;   // see TriangleRow
constexpr int kMomentRows = 23;     // see MomentRow

// Rows of a block of eight triangles: three corners; U and V with u = (q - a).U, v = (q - a).V the weights of b and c; the
// unit normal; inverse squared lengths of ab, ac, bc; ab.ab - ab.ac. Zero wherever a degenerate triangle leaves them undefined.
enum TriangleRow { kCornerA = 0, kCornerB = 3, kCornerC = 6, kDualU = 9, kDualV = 12, kNormal = 15, kInverseAB = 18, kInverseAC, kInverseBC, kOffsetBC };

// Rows of the moments of eight children: centre, squared radius, then the trace-free moments of the area vectors of order
// 0 (x y z), 1 (xx xy xz yy yz zz) and 2 (xxx xxy xxz xyy xyz xzz yyy yyz yzz zzz).
enum MomentRow { kCentre = 0, kRadius2 = 3, kOrder0 = 4, kOrder1 = 7, kOrder2 = 13 };

template <class T> struct BvhMesh {
  int64_t vertex_count, face_count;
  const T* vertices;     // (V, 3)
  const int64_t* faces;  // (F, 3), indices in [0, V)
};

template <class T> struct Bvh {
  int64_t node_count, block_count;
  T scale;
  const T* boxes;           // (N, 6, 8); an empty child lies at infinity
  const int32_t* children;  // (N, 8): a later node, ~block, or kNoChild
  const T* triangles;       // (B, 22, 8); a block is filled up with points
  const int32_t* face_ids;  // (B, 8); a filled-up place repeats the block's first id
};

// A binary tree by the surface-area heuristic over 16 bins (Wald 2007), whose cost counts blocks of eight. scratch_boxes
// (2F, 6), scratch_links (2F, 2), order (F): what bvh_fill needs again. Returns the numbers of nodes and blocks.
struct BvhCounts {
  int64_t nodes, blocks;
};
template <class T>
BvhCounts bvh_plan(const BvhMesh<T>& mesh, T scale, T* scratch_boxes, int32_t* scratch_links, int32_t* order);
// The binary tree collapsed: the child of the largest surface is opened until there are eight.
template <class T>
void bvh_fill(const BvhMesh<T>& mesh, T scale, const T* scratch_boxes, const int32_t* scratch_links, const int32_t* order,
              T* boxes, int32_t* children, T* triangles, int32_t* face_ids);
// moments (N, 23, 8): for the fast winding number (Barill et al. 2018), integrated exactly over the triangles.
template <class T> void bvh_moments(const Bvh<T>& tree, T* moments);

// order (Q,): queries that follow each other in it are neighbours in space; they are answered in this order.
template <class T> void bvh_order(const Bvh<T>& tree, int64_t count, const T* queries, int32_t* order);

// Of every query (Q, 3) the closest point (Q, 3), its distance, face and weights of the face's corners (Q, 3). Of faces at
// equal distance the one of lower index.
template <class T>
void bvh_closest(const Bvh<T>& tree, int64_t count, const T* queries, const int32_t* order, T* points, T* distances, int64_t* faces, T* weights);
// Cotangents of points, distances and weights, pulled back to queries_bar (Q, 3) and vertices_bar (V, 3), both overwritten.
template <class T> struct ClosestCotangent {
  int64_t count;
  const T* queries;
  const int64_t* faces;
  const T *weights, *points_bar, *distances_bar, *weights_bar;
};
template <class T> void bvh_closest_backward(const BvhMesh<T>& mesh, const ClosestCotangent<T>& bar, T* queries_bar, T* vertices_bar);

// Generalised winding number (Jacobson et al. 2013) of every query; a subtree further than `beta` of its radii is
// replaced by its moments.
template <class T>
void bvh_winding(const Bvh<T>& tree, const T* moments, T beta, int64_t count, const T* queries, const int32_t* order, T* winding);

// First hit of the rays origin + t direction, t >= 0: t (inf without a hit), face (-1), weights of its corners (0).
template <class T>
void bvh_ray_cast(const Bvh<T>& tree, int64_t count, const T* origins, const T* directions, const int32_t* order, T* t, int64_t* faces, T* weights);

namespace cuda {
// codes (Q,): keys whose order is that of bvh_order.
template <class T> void bvh_codes(const Bvh<T>& tree, int64_t count, const T* queries, int32_t* codes);
template <class T>
void bvh_closest(const Bvh<T>& tree, int64_t count, const T* queries, const int32_t* order, T* points, T* distances, int64_t* faces, T* weights);
// Adds to what is in vertices_bar, in no particular order; or writes what is added, rows (Q, 3, 3) by query and corner.
template <class T> void bvh_closest_backward(const BvhMesh<T>& mesh, const ClosestCotangent<T>& bar, T* queries_bar, T* vertices_bar);
template <class T> void bvh_closest_rows(const BvhMesh<T>& mesh, const ClosestCotangent<T>& bar, T* queries_bar, T* rows);
template <class T>
void bvh_winding(const Bvh<T>& tree, const T* moments, T beta, int64_t count, const T* queries, const int32_t* order, T* winding);
template <class T>
void bvh_ray_cast(const Bvh<T>& tree, int64_t count, const T* origins, const T* directions, const int32_t* order, T* t, int64_t* faces, T* weights);
}  // namespace cuda

}  // namespace gk

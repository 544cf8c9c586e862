// A k-d tree over points, flattened for vectors: leaves of at most 16 points, nodes of at most 16 children whose boxes lie
// lane by lane, all leaves at one depth: contract. Splits are by rank (Friedman, Bentley, Finkel 1977), so that the tree is
// equally deep whatever the density: outliers, clusters, planes and duplicates cost nothing, where a uniform grid
// degenerates. A node or leaf is never empty.
//
// On the GPU the tree is as wide as a warp, 32, its leaves are runs of the points along Morton's curve, and the children of
// a node are runs of those below it; all else is the same. The arrays of one device are not for the other.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>

namespace gk {

constexpr int kTreeWidth = 16;  // points of a leaf, children of a node
constexpr int32_t kNone = std::numeric_limits<int32_t>::max();  // the index in unused lanes

struct TreeSizes {
  int64_t leaves, nodes;
  int64_t bottom;  // the first node whose children are leaves; all after it are such, too
};
TreeSizes tree_sizes(int64_t points);

template <class T> struct PointTree {
  int64_t points;
  TreeSizes sizes;
  const T* leaf_points;        // (leaves, 3, 16): x, y, z lane by lane; unused lanes are infinite
  const int32_t* leaf_ids;     // (leaves, 16): indices of the points; unused lanes hold kNone
  const T* boxes;              // (nodes, 6, 16): lower x, y, z, then upper x, y, z of the children
  const int32_t* first_ids;    // (nodes, 16): the smallest point index below each child
  const int32_t* children;     // (nodes, 2): first and one past the last child of each node; leaves if the node is at the bottom
};

template <class T> struct PointTreeOutput {
  T* leaf_points;
  int32_t* leaf_ids;
  T* boxes;
  int32_t *first_ids, *children;
};
// points (N, 3), finite, N below 2^31.
template <class T> void tree_build(const T* points, int64_t count, const PointTreeOutput<T>& out);

namespace cuda {
constexpr int kTreeWidth = 32;
TreeSizes tree_sizes(int64_t points);
// Bytes of the memory that the build works in.
template <class T> size_t tree_scratch(int64_t points);
template <class T> void tree_build(const T* points, int64_t count, const PointTreeOutput<T>& out, void* scratch, size_t scratch_bytes);
}  // namespace cuda

}  // namespace gk

// Farthest-point sampling (Gonzalez 1985; Eldar et al. 1997) in a tree of points: contract.
#pragma once
#include "tree.h"

namespace gk {

// chosen (count): `start`, then always the point farthest from those chosen before, of the lowest index among equals; no
// point twice. points (N, 3) are those of the tree, 1 <= count <= N.
template <class T> void farthest(const PointTree<T>& tree, const T* points, int64_t start, int64_t count, int64_t* chosen);

namespace cuda {
constexpr int64_t kFarthestBlocks = 512;  // that share the work, at most
// What it works in: values (33 leaves + 2 kFarthestBlocks), ids (leaves + 2 kFarthestBlocks).
template <class T> struct FarthestScratch {
  T* values;
  int32_t* ids;
};
template <class T>
void farthest(const PointTree<T>& tree, const T* points, int64_t start, int64_t count, int64_t* chosen, const FarthestScratch<T>& scratch);
}  // namespace cuda

}  // namespace gk

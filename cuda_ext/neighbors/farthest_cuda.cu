// A launch a choice: the blocks find the farthest point from what each of them left behind, the same in all, and bring their
// own nodes up to date. One or more warps share the 32 leaves of a node; leaves are left out whose farthest point is nearer
// to an old choice than their box is to the new one. Among few points, one block makes all choices in one launch.
#include <algorithm>

#include "farthest.h"
#include "tree_warp.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kMostThreads = 1024;
constexpr int64_t kNodesOfOneBlock = 8;

// A distance to the nearest choice and the point that has it. Points that were chosen, and unused lanes, have less than zero.
template <class T> struct Peak {
  T d2;
  int32_t id;
};

template <class T> __device__ __forceinline__ bool exceeds(const Peak<T>& a, const Peak<T>& b) {
  return a.d2 > b.d2 || (a.d2 == b.d2 && a.id < b.id);
}

// The farthest, of the lowest index among equals, in every lane.
template <class T> __device__ __forceinline__ Peak<T> warp_peak(Peak<T> peak) {
  for (int flip = 16; flip; flip /= 2) {
    const Peak<T> other = {__shfl_xor_sync(kWholeWarp, peak.d2, flip), __shfl_xor_sync(kWholeWarp, peak.id, flip)};
    if (exceeds(other, peak)) peak = other;
  }
  return peak;
}

template <class T> __device__ __forceinline__ Peak<T> block_peak(Peak<T> peak, Peak<T>* room) {
  const int lane = threadIdx.x & 31, warps = blockDim.x / 32;
  peak = warp_peak(peak);
  __syncthreads();  // the room is free
  if (lane == 0) room[threadIdx.x / 32] = peak;
  __syncthreads();
  return warp_peak(lane < warps ? room[lane] : Peak<T>{T(-1), kNone});
}

template <class T> struct Sampling {
  PointTree<T> tree;
  const T* points;
  T *d2, *leaf_d2, *block_d2;     // (leaves, 32), (leaves), (2, blocks)
  int32_t *leaf_ids, *block_ids;
  int64_t start;
  int64_t* chosen;
  int parts;  // warps that share a node
};

template <class T> __global__ void __launch_bounds__(kThreads) prepare(Sampling<T> s) {
  const int64_t i = thread_index();
  if (i >= s.tree.sizes.leaves * kTreeWidth) return;
  s.d2[i] = s.tree.leaf_ids[i] == kNone ? T(-1) : T(INFINITY);
  if (i % kTreeWidth == 0) s.leaf_d2[i / kTreeWidth] = T(INFINITY), s.leaf_ids[i / kTreeWidth] = s.tree.leaf_ids[i];
}

// A warp's leaves of one node, a lane each, after a choice; returns the farthest point of the lane's leaf.
template <class T>
__device__ __forceinline__ Peak<T> update(const Sampling<T>& s, int64_t node, int part, int32_t choice, const Vec3<T>& at) {
  const int lane = threadIdx.x & 31;
  const int64_t begin = s.tree.children[2 * node], leaf = begin + lane;
  const bool used = leaf < s.tree.children[2 * node + 1] && (lane & (s.parts - 1)) == part;
  Peak<T> peak = used ? Peak<T>{s.leaf_d2[leaf], s.leaf_ids[leaf]} : Peak<T>{T(-1), kNone};
  unsigned touched = __ballot_sync(kWholeWarp, used && distance_to_box(s.tree.boxes, node, lane, at) <= peak.d2);
  const unsigned changed = touched;
  for (; touched; touched &= touched - 1) {
    const int member = __ffs(int(touched)) - 1;
    const int64_t place = (begin + member) * kTreeWidth + lane;
    const int32_t id = s.tree.leaf_ids[place];
    const T old = s.d2[place], d2 = id == choice ? T(-1) : minimum(distance_to_point(s.tree.leaf_points, begin + member, lane, at), old);
    if (d2 != old) s.d2[place] = d2;
    const Peak<T> top = warp_peak(Peak<T>{d2, id});
    if (lane == member) peak = top;
  }
  if (changed >> lane & 1) s.leaf_d2[leaf] = peak.d2, s.leaf_ids[leaf] = peak.id;
  return peak;
}

template <class T> __global__ void __launch_bounds__(kMostThreads) choose(Sampling<T> s, int64_t first, int64_t end) {
  __shared__ Peak<T> room[32];
  const int warps = blockDim.x / 32, blocks = gridDim.x;
  const int64_t shares = (s.tree.sizes.nodes - s.tree.sizes.bottom) * s.parts;
  for (int64_t i = first; i < end; ++i) {
    const int before = int(~i & 1) * blocks, after = int(i & 1) * blocks;
    Peak<T> best = {T(-1), kNone};
    for (int b = threadIdx.x; i && b < blocks; b += blockDim.x) {
      const Peak<T> peak = {s.block_d2[before + b], s.block_ids[before + b]};
      if (exceeds(peak, best)) best = peak;
    }
    const int32_t choice = i ? block_peak(best, room).id : int32_t(s.start);
    if (blockIdx.x == 0 && threadIdx.x == 0) s.chosen[i] = choice;
    const Vec3<T> at = {s.points[3 * int64_t(choice)], s.points[3 * int64_t(choice) + 1], s.points[3 * int64_t(choice) + 2]};
    best = {T(-1), kNone};
    for (int64_t share = int64_t(blockIdx.x) * warps + threadIdx.x / 32; share < shares; share += int64_t(blocks) * warps) {
      const Peak<T> peak = update(s, s.tree.sizes.bottom + share / s.parts, int(share & (s.parts - 1)), choice, at);
      if (exceeds(peak, best)) best = peak;
    }
    best = block_peak(best, room);
    if (threadIdx.x == 0) s.block_d2[after + blockIdx.x] = best.d2, s.block_ids[after + blockIdx.x] = best.id;
    __syncthreads();
  }
}

}  // namespace

template <class T>
void farthest(const PointTree<T>& tree, const T* points, int64_t start, int64_t count, int64_t* chosen, const FarthestScratch<T>& scratch) {
  const int64_t leaves = tree.sizes.leaves, nodes = tree.sizes.nodes - tree.sizes.bottom;
  const bool alone = nodes <= kNodesOfOneBlock;
  const int64_t most_warps = alone ? kMostThreads / 32 : kFarthestBlocks * (kThreads / 32);
  int parts = 1;
  while (parts < 32 && 2 * parts * nodes <= most_warps) parts *= 2;
  T *leaf_d2 = scratch.values + leaves * kTreeWidth, *block_d2 = leaf_d2 + leaves;
  const Sampling<T> s = {tree, points, scratch.values, leaf_d2, block_d2, scratch.ids, scratch.ids + leaves, start, chosen, parts};
  launch(prepare<T>, blocks_for(leaves * kTreeWidth, kThreads), kThreads, 0, s);
  if (alone) return launch(choose<T>, 1, unsigned(nodes * parts * 32), 0, s, 0, count);
  const unsigned blocks = unsigned(std::min(int64_t(blocks_for(nodes * parts * 32, kThreads)), kFarthestBlocks));
  for (int64_t i = 0; i < count; ++i) launch(choose<T>, blocks, kThreads, 0, s, i, i + 1);
}

template void farthest(const PointTree<float>&, const float*, int64_t, int64_t, int64_t*, const FarthestScratch<float>&);
template void farthest(const PointTree<double>&, const double*, int64_t, int64_t, int64_t*, const FarthestScratch<double>&);

}  // namespace gk::cuda

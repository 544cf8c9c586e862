// Sums over the edges of each group for the GPU, in an order that the sizes alone decide: none is left to one thread that
// has thousands of edges, and no atomic operation is needed.
//
// The sorted edges are cut every `length` places. A group's first task goes from where the group begins to the next cut, and
// writes the result; each cut inside a group begins one more, to the next cut or the group's end, which writes to a row of
// its own. Of such rows `add_cut_sums` then adds those of a group to its result.
#pragma once
#include <algorithm>

#include "../cuda/launch.h"
#include "group.h"

namespace gk::cuda {

struct Cuts {
  int64_t length, count;  // cut q of 1 .. count is at q length
};

// Cuts for tasks of `threads` threads each: as many as fill the device, if the groups do not, and none for a few edges.
inline Cuts cuts_of(int64_t edges, int64_t groups, int64_t threads) {
  constexpr int64_t kThreads = 1 << 16, kLeast = 8, kMost = 512;
  const int64_t missing = kThreads / std::max<int64_t>(threads, 1) - groups;
  const int64_t length = std::clamp<int64_t>(missing > 0 ? edges / missing : kMost, kLeast, kMost);
  return {length, edges ? (edges - 1) / length : 0};
}

struct Task {
  int64_t group, begin, end;
  bool first;
};

// Tasks 0 to G - 1 are the groups', those after them the cuts'. A cut where a group begins has nothing to do.
__device__ __forceinline__ Task task_of(int64_t number, const Groups& groups, const int64_t* group_of, const Cuts& cuts) {
  if (number < groups.count) {
    const int64_t begin = groups.offsets[number], next_cut = (begin / cuts.length + 1) * cuts.length;
    return {number, begin, min(groups.offsets[number + 1], next_cut), true};
  }
  const int64_t begin = (number - groups.count + 1) * cuts.length, group = group_of[groups.order[begin]];
  return {group, begin, groups.offsets[group] == begin ? begin : min(groups.offsets[group + 1], begin + cuts.length), false};
}

// The task and the item in it, of `items` each, of thread `index`; false beyond the last.
__device__ __forceinline__ bool share_of(int64_t index, unsigned items, int64_t tasks, int64_t& number, unsigned& item) {
  number = quotient(index, items);
  item = unsigned(index - number * items);
  return number < tasks;
}

// Where a task's sums (size,) go.
template <class T>
__device__ __forceinline__ T* place_of(const Task& task, int64_t number, int64_t groups, int64_t size, T* out, T* room) {
  return task.first ? out + task.group * size : room + (number - groups) * size;
}

constexpr int kSideBySide = 8;  // sums of every eighth row, which are added in their order

// One block for a cut and 32 values: it works where the cut is the first of its group.
template <class T>
__global__ void __launch_bounds__(32 * kSideBySide)
    add_cut_sums(Groups groups, const int64_t* group_of, Cuts cuts, unsigned strips, int64_t size, const T* room, T* out) {
  __shared__ T sums[kSideBySide][32];
  const int64_t cut = blockIdx.x / strips + 1, at = int64_t(blockIdx.x % strips) * 32 + threadIdx.x;
  const int64_t group = group_of[groups.order[cut * cuts.length]], begin = groups.offsets[group];
  if (begin / cuts.length + 1 != cut || begin == cut * cuts.length) return;
  const int64_t last = (groups.offsets[group + 1] - 1) / cuts.length;
  T sum = T(0);
  if (at < size)
#pragma unroll 4
    for (int64_t q = cut + threadIdx.y; q <= last; q += kSideBySide) sum += room[(q - 1) * size + at];
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y || at >= size) return;
  sum = out[group * size + at];
  for (int i = 0; i < kSideBySide; ++i) sum += sums[i][threadIdx.x];
  out[group * size + at] = sum;
}

template <class T> void add_cuts(const Groups& groups, const int64_t* group_of, const Cuts& cuts, int64_t size, const T* room, T* out) {
  const unsigned strips = blocks_for(size, 32);
  launch(add_cut_sums<T>, unsigned(cuts.count * strips), dim3(32, kSideBySide), 0, groups, group_of, cuts, strips, size, room, out);
}

// As many neighbouring values as one instruction loads.
template <class T> struct alignas(16) Pack {
  static constexpr int kSize = 16 / sizeof(T);
  T v[kSize];
};
template <class T> __device__ __forceinline__ const Pack<T>& pack_at(const T* place) { return *reinterpret_cast<const Pack<T>*>(place); }

}  // namespace gk::cuda

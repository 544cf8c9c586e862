// Lists of neighbours into ascending order of index: a block a list merges sorted runs, from 32 on, into runs twice as long;
// the place of each item is its place in its own run and the number of smaller ones in the other.
#include "sort_warp.h"

namespace gk::cuda {
namespace {

constexpr int kFewThreads = 32, kManyThreads = 1024;
constexpr int64_t kMostForFew = 4096;  // items of a list that kFewThreads sort

template <class T> __device__ void sort_runs_of_32(const RadiusLists<T>& from, const RadiusLists<T>& to, unsigned count) {
  const int lane = threadIdx.x & 31;
  for (unsigned chunk = threadIdx.x & ~31u; chunk < count; chunk += blockDim.x) {
    const unsigned i = chunk + lane;
    int32_t id = i < count ? int32_t(from.indices[i]) : kNone;
    T distance = i < count ? from.distances[i] : T(0);
    sort_warp<ByIndex>(distance, id, lane);
    if (i < count) to.indices[i] = id, to.distances[i] = distance;
  }
}

template <class T> __device__ void merge_runs(const RadiusLists<T>& from, const RadiusLists<T>& to, unsigned count, unsigned run) {
  for (unsigned i = threadIdx.x; i < count; i += blockDim.x) {
    const int64_t id = from.indices[i];
    const unsigned pair = i & ~(2 * run - 1), middle = min(pair + run, count), end = min(pair + 2 * run, count);
    unsigned low = i < middle ? middle : pair, high = i < middle ? end : middle;
    const unsigned first = low;
    while (low < high) {
      const unsigned probe = low + (high - low) / 2;
      if (from.indices[probe] < id) low = probe + 1;
      else high = probe;
    }
    const unsigned own = i < middle ? i - pair : i - middle, place = pair + own + (low - first);
    to.indices[place] = id, to.distances[place] = from.distances[i];
  }
}

// Lists of at least `fewest` and at most `most` items.
template <class T>
__global__ void __launch_bounds__(kManyThreads)
    sort_lists(const int64_t* offsets, int64_t fewest, int64_t most, RadiusLists<T> lists, RadiusLists<T> spare) {
  const int64_t begin = offsets[blockIdx.x], size = offsets[blockIdx.x + 1] - begin;
  if (size < fewest || size > most) return;
  const unsigned count = unsigned(size);
  const RadiusLists<T> given = {lists.indices + begin, lists.distances + begin};
  const RadiusLists<T> other = {spare.indices + begin, spare.distances + begin};
  int passes = 0;
  while ((uint64_t(32) << passes) < count) ++passes;
  RadiusLists<T> here = passes % 2 ? other : given, there = passes % 2 ? given : other;  // the last pass ends in the lists
  sort_runs_of_32(given, here, count);
  for (unsigned run = 32; run < count; run *= 2) {
    __syncthreads();
    merge_runs(here, there, count, run);
    const RadiusLists<T> merged = there;
    there = here, here = merged;
  }
}

}  // namespace

template <class T>
void radius_sort(int64_t queries, const int64_t* offsets, int64_t longest, const RadiusLists<T>& lists, const RadiusLists<T>& spare) {
  if (longest < 2) return;
  launch(sort_lists<T>, unsigned(queries), kFewThreads, 0, offsets, 2, kMostForFew, lists, spare);
  if (longest > kMostForFew) launch(sort_lists<T>, unsigned(queries), kManyThreads, 0, offsets, kMostForFew + 1, longest, lists, spare);
}

template void radius_sort(int64_t, const int64_t*, int64_t, const RadiusLists<float>&, const RadiusLists<float>&);
template void radius_sort(int64_t, const int64_t*, int64_t, const RadiusLists<double>&, const RadiusLists<double>&);

}  // namespace gk::cuda

// A warp a query, neighbouring queries side by side: the lanes are the children of a node or the points of a leaf, loads
// are whole rows of the tree, and no lane waits for another, however different the queries are.
#include "search_warp.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / 32;
constexpr int64_t kMostShared = 256;  // neighbours whose list fits in shared memory

// The query of this warp; its id is kNone if there is none.
template <class T> struct Query {
  Vec3<T> at;
  int32_t id, self;
};

template <class T> __device__ __forceinline__ Query<T> query_of_warp(const SearchInput<T>& in) {
  const int64_t number = int64_t(blockIdx.x) * kWarps + threadIdx.x / 32, group = number / kTreeWidth;
  if (group >= in.queries.groups) return {{}, kNone, -1};
  const int32_t id = in.queries.ids[number];
  const T* p = in.queries.points + group * 3 * kTreeWidth + number % kTreeWidth;
  return {{p[0], p[kTreeWidth], p[2 * kTreeWidth]}, id, in.exclude_self ? id : -1};
}

template <class T> __device__ __forceinline__ T* path_of_warp(int levels) {
  return dynamic_shared<T>() + (threadIdx.x / 32) * path_values(levels);
}

template <class T>
__global__ void __launch_bounds__(kThreads) few_nearest(SearchInput<T> in, int levels, int k, T* distances, int64_t* indices) {
  const Query<T> query = query_of_warp(in);
  if (query.id == kNone) return;
  const int lane = threadIdx.x & 31, place = lane - (32 - k);
  RegisterList<T> list(k, lane);
  traverse(in.tree, query.at, query.self, path_of_warp<T>(levels), list);
  if (place < 0) return;
  distances[int64_t(query.id) * k + place] = sqrt(list.d2), indices[int64_t(query.id) * k + place] = list.id;
}

template <class T, bool kShared>
__global__ void __launch_bounds__(kThreads) many_nearest(SearchInput<T> in, int levels, int k, T* distances, int64_t* indices) {
  const Query<T> query = query_of_warp(in);
  if (query.id == kNone) return;
  const int lane = threadIdx.x & 31;
  distances += int64_t(query.id) * k, indices += int64_t(query.id) * k;
  if constexpr (kShared) {
    T* d2 = dynamic_shared<T>() + kWarps * path_values(levels) + (threadIdx.x / 32) * k;
    int32_t* ids = reinterpret_cast<int32_t*>(dynamic_shared<T>() + kWarps * (path_values(levels) + k)) + (threadIdx.x / 32) * k;
    MemoryList<T, int32_t> list(k, lane, d2, ids);
    traverse(in.tree, query.at, query.self, path_of_warp<T>(levels), list);
    for (int i = lane; i < k; i += 32) distances[i] = sqrt(d2[i]), indices[i] = ids[i];
  } else {
    MemoryList<T, int64_t> list(k, lane, distances, indices);
    traverse(in.tree, query.at, query.self, path_of_warp<T>(levels), list);
    for (int i = lane; i < k; i += 32) distances[i] = sqrt(distances[i]);
  }
}

template <class T> __global__ void __launch_bounds__(kThreads) count_within(SearchInput<T> in, int levels, T radius2, int64_t* counts) {
  const Query<T> query = query_of_warp(in);
  if (query.id == kNone) return;
  Counter<T> counter(radius2);
  traverse(in.tree, query.at, query.self, path_of_warp<T>(levels), counter);
  if (threadIdx.x % 32 == 0) counts[query.id] = counter.count;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    write_within(SearchInput<T> in, int levels, T radius2, const int64_t* offsets, int64_t* indices, T* distances) {
  const Query<T> query = query_of_warp(in);
  if (query.id == kNone) return;
  const int64_t begin = offsets[query.id];
  Collector<T> collector(radius2, indices + begin, distances + begin);
  traverse(in.tree, query.at, query.self, path_of_warp<T>(levels), collector);
}

// Levels of nodes above the lowest: what a path must hold.
template <class T> int levels_above_bottom(const PointTree<T>& tree) {
  int levels = 0;
  for (int64_t width = kTreeWidth; width < tree.sizes.leaves; width *= kTreeWidth) ++levels;
  return levels;
}

template <class T, class... Wanted, class... Given>
void launch_search(void (*kernel)(SearchInput<T>, int, Wanted...), const SearchInput<T>& in, int64_t list_bytes, Given... arguments) {
  const int levels = levels_above_bottom(in.tree);
  launch(kernel, blocks_for(in.queries.groups * kTreeWidth, kWarps), kThreads, kWarps * (path_values(levels) * sizeof(T) + list_bytes), in,
         levels, arguments...);
}

}  // namespace

template <class T> void nearest(const SearchInput<T>& in, int64_t k, T* distances, int64_t* indices) {
  if (k <= 32) launch_search(few_nearest<T>, in, 0, k, distances, indices);
  else if (k <= kMostShared) launch_search(many_nearest<T, true>, in, k * (sizeof(T) + sizeof(int32_t)), k, distances, indices);
  else launch_search(many_nearest<T, false>, in, 0, k, distances, indices);
}

template <class T> void radius_count(const SearchInput<T>& in, T radius2, int64_t* counts) {
  launch_search(count_within<T>, in, 0, radius2, counts);
}

template <class T>
void radius_fill(const SearchInput<T>& in, T radius2, const int64_t* offsets, int64_t* indices, T* distances) {
  launch_search(write_within<T>, in, 0, radius2, offsets, indices, distances);
}

#define GK_INSTANTIATE(T)                                              \
  template void nearest(const SearchInput<T>&, int64_t, T*, int64_t*); \
  template void radius_count(const SearchInput<T>&, T, int64_t*);      \
  template void radius_fill(const SearchInput<T>&, T, const int64_t*, int64_t*, T*);
GK_INSTANTIATE(float)
GK_INSTANTIATE(double)
#undef GK_INSTANTIATE

}  // namespace gk::cuda

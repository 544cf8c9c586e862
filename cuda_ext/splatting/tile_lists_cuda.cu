// Splats differ in size by orders of magnitude, so no thread walks through the tiles of one: a warp spreads the rows of
// tiles of 32 splats over its lanes, then the tiles of 32 such rows. Each warp writes one window of the entries, so a
// splat that covers the picture is written by many.
#include "tile_lists.h"

#include <cub/cub.cuh>

#include "../cuda/spread.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWindow = 1024;  // entries that a warp writes

template <class T> __device__ __forceinline__ Ellipse<T> ellipse_of(const BinInput<T>& in, int64_t i) {
  const T *mean = in.means2d + 2 * i, *conic = in.conics + 3 * i;
  return make_ellipse(mean, conic, reach_of(mean, conic, in.depths[i], in.amplitudes[i]), T(in.width), T(in.height));
}

template <class T> __device__ __forceinline__ DepthKey<T> key_of(T depth) {
  if constexpr (sizeof(T) == 4) return __float_as_uint(depth);
  else return __double_as_longlong(depth);
}

template <class T> __global__ void __launch_bounds__(kThreads) count_tiles(BinInput<T> in, SplatOrder<T> out) {
  __shared__ Ellipse<T> ellipses[kThreads];
  __shared__ int32_t counts[kThreads];
  const int64_t i = thread_index();
  const int lane = threadIdx.x & 31, warp = threadIdx.x - lane;
  int rows = 0;
  if (i < in.splats) rows = rows_of_tiles(ellipses[threadIdx.x] = ellipse_of(in, i));
  counts[threadIdx.x] = 0;
  __syncwarp();
  const Spread spread(rows);
  for (int piece = lane; piece - lane < spread.total; piece += 32) {
    int number, first, last;
    const int splat = warp + spread.owner(piece, number);
    if (piece >= spread.total) continue;
    const Ellipse<T>& e = ellipses[splat];
    columns_reached(e, e.top / kTile + number, T(in.width), first, last);
    atomicAdd(counts + splat, last - first + 1);
  }
  __syncwarp();
  if (i >= in.splats) return;
  const int32_t count = counts[threadIdx.x];
  out.counts[i] = count, out.ids[0][i] = int32_t(i);
  out.keys[i] = count ? key_of(in.depths[i]) : ~DepthKey<T>(0);
}

__global__ void __launch_bounds__(kThreads) counts_in_order(int64_t n, const int32_t* order, const int32_t* counts, int64_t* starts) {
  const int64_t j = thread_index();
  if (j <= n) starts[j] = j < n ? counts[order[j]] : 0;
}

// How many entries of each splat there is room for, in order of id.
template <class Key> __global__ void __launch_bounds__(kThreads) kept_counts(int64_t n, TileLists<Key> out) {
  const int64_t j = thread_index();
  if (j > n) return;
  const int64_t start = out.starts[j], next = j < n ? out.starts[j + 1] : start;
  const int64_t count = (next < out.capacity ? next : out.capacity) - start;
  out.first_slots[j < n ? out.order[j] : n] = int32_t(count > 0 ? count : 0);
}

template <class T, class Key> __global__ void __launch_bounds__(kThreads) emit(BinInput<T> in, int32_t columns, TileLists<Key> out) {
  __shared__ Ellipse<T> ellipses[kThreads];
  const int lane = threadIdx.x & 31, warp = threadIdx.x - lane;
  const int64_t all = out.starts[in.splats], total = all < out.capacity ? all : out.capacity;
  const int64_t begin = thread_index() / 32 * kWindow, room = begin + kWindow < out.capacity ? begin + kWindow : out.capacity;
  const int64_t end = room < total ? room : total;
  if (out.needed && thread_index() == 0) atomicMax(reinterpret_cast<long long*>(out.needed), (long long)all);
  for (int64_t unused = (begin > total ? begin : total) + lane; unused < room; unused += 32) out.keys[unused] = Key(~Key(0));
  if (begin >= end) return;

  int64_t first = warp_last_at_most(out.starts, in.splats, begin);
  for (int64_t at = out.starts[first]; at < end; first += 32) {
    const int64_t j = first + lane;
    int id = 0, rows = 0, shift = 0;
    if (j < in.splats && out.starts[j] < end) {
      id = out.order[j];
      rows = rows_of_tiles(ellipses[threadIdx.x] = ellipse_of(in, id));
      if (out.first_slots) shift = out.first_slots[id] - int32_t(out.starts[j]);
    }
    __syncwarp();
    const Spread spread(rows);
    for (int piece = lane; piece - lane < spread.total && at < end; piece += 32) {
      int number, left = 0, right = -1, row = 0;
      const int owner = spread.owner(piece, number);
      if (piece < spread.total) {
        const Ellipse<T>& e = ellipses[warp + owner];
        row = e.top / kTile + number;
        columns_reached(e, row, T(in.width), left, right);
      }
      const int tile = row * columns + left, row_id = __shfl_sync(kWholeWarp, id, owner), row_shift = __shfl_sync(kWholeWarp, shift, owner);
      const Spread entries(right - left + 1);
      const int skipped = at < begin ? int(begin - at < entries.total ? begin - at : entries.total) : 0;
      const int wanted = int(end - at < entries.total ? end - at : entries.total);
      for (int entry = skipped + lane; entry - lane < wanted; entry += 32) {
        int column;
        const int source = entries.owner(entry, column);
        const int entry_tile = __shfl_sync(kWholeWarp, tile, source) + column;
        const int entry_id = __shfl_sync(kWholeWarp, row_id, source), entry_shift = __shfl_sync(kWholeWarp, row_shift, source);
        if (entry >= wanted) continue;
        const int place = int(at + entry), slot = place + entry_shift;
        out.keys[place] = Key(entry_tile);
        out.values[0][place] = out.first_slots ? slot : entry_id;
        if (out.first_slots) out.ids_of_slots[slot] = entry_id;
      }
      at += entries.total;
    }
    __syncwarp();
    at = first + 32 < in.splats ? out.starts[first + 32] : end;
  }
}

// Tiles are few beside entries, and the keys are sorted: each tile looks for its first one.
template <class Key> __global__ void __launch_bounds__(kThreads) find_offsets(int64_t tiles, const Key* keys, int64_t n, int32_t* offsets) {
  const int64_t tile = thread_index();
  if (tile > tiles) return;
  int64_t low = 0, high = n;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (keys[middle] < tile) low = middle + 1;
    else high = middle;
  }
  offsets[tile] = int32_t(low);
}

__global__ void __launch_bounds__(kThreads) ids_of_entries(const int32_t* used, const int32_t* slots, const int32_t* ids_of_slots, int32_t* ids) {
  const int64_t i = thread_index();
  if (i < *used) ids[i] = ids_of_slots[slots[i]];
}

template <class Key>
cudaError_t sort_pairs(void* scratch, size_t& bytes, cub::DoubleBuffer<Key>& keys, cub::DoubleBuffer<int32_t>& values, int64_t n, int bits) {
  return cub::DeviceRadixSort::SortPairs(scratch, bytes, keys, values, int32_t(n), 0, bits, stream);
}

// In place. The sum has the type of the items, whatever it is written to.
template <class N> cudaError_t exclusive_sum(void* scratch, size_t& bytes, N* values, int64_t n) {
  return cub::DeviceScan::ExclusiveSum(scratch, bytes, values, values, n, stream);
}

template <class Key> size_t sort_scratch(int64_t n, int bits) {
  size_t bytes = 0;
  cub::DoubleBuffer<Key> keys(nullptr, nullptr);
  cub::DoubleBuffer<int32_t> values(nullptr, nullptr);
  check(sort_pairs(nullptr, bytes, keys, values, n, bits), "asking for the memory of a sort");
  return bytes;
}

template <class N> size_t sum_scratch(int64_t n) {
  size_t bytes = 0;
  check(exclusive_sum(nullptr, bytes, static_cast<N*>(nullptr), n), "asking for the memory of a prefix sum");
  return bytes;
}

}  // namespace

template <class T> size_t order_scratch(int64_t splats) {
  return std::max(sort_scratch<DepthKey<T>>(splats, 8 * sizeof(T)), sum_scratch<int64_t>(splats + 1));
}

template <class T> int order_splats(const BinInput<T>& in, const SplatOrder<T>& out) {
  const int64_t n = in.splats;
  launch(count_tiles<T>, blocks_for(n, kThreads), kThreads, 0, in, out);
  cub::DoubleBuffer<DepthKey<T>> keys(out.keys, out.keys + n);
  cub::DoubleBuffer<int32_t> ids(out.ids[0], out.ids[1]);
  size_t bytes = order_scratch<T>(n);
  if (n) check(sort_pairs(out.scratch, bytes, keys, ids, n, 8 * sizeof(T)), "sorting splats by depth");
  launch(counts_in_order, blocks_for(n + 1, kThreads), kThreads, 0, n, ids.Current(), out.counts, out.starts);
  check(exclusive_sum(out.scratch, bytes, out.starts, n + 1), "summing the lengths of the tile lists");
  return ids.selector;
}

size_t list_scratch(int64_t splats, int64_t capacity, int bits) {
  const size_t sort = bits <= 16 ? sort_scratch<uint16_t>(capacity, bits) : sort_scratch<uint32_t>(capacity, bits);
  return std::max(sort, sum_scratch<int32_t>(splats + 1));
}

template <class T, class Key> int make_lists(const BinInput<T>& in, const TileLists<Key>& out) {
  const int64_t n = in.splats, columns = tile_columns(in.width), tiles = columns * tile_rows(in.height);
  size_t bytes = list_scratch(n, out.capacity, out.bits);
  if (out.first_slots) {
    launch(kept_counts<Key>, blocks_for(n + 1, kThreads), kThreads, 0, n, out);
    check(exclusive_sum(out.scratch, bytes, out.first_slots, n + 1), "summing the lengths of the tile lists");
  }
  launch(emit<T, Key>, blocks_for(out.capacity, kWindow * kThreads / 32), kThreads, 0, in, int32_t(columns), out);
  cub::DoubleBuffer<Key> keys(out.keys, out.keys + out.capacity);
  cub::DoubleBuffer<int32_t> values(out.values[0], out.values[1]);
  if (out.capacity) check(sort_pairs(out.scratch, bytes, keys, values, out.capacity, out.bits), "sorting the tile lists");
  launch(find_offsets<Key>, blocks_for(tiles + 1, kThreads), kThreads, 0, tiles, keys.Current(), out.capacity, out.offsets);
  if (out.first_slots)
    launch(ids_of_entries, blocks_for(out.capacity, kThreads), kThreads, 0, out.offsets + tiles, values.Current(), out.ids_of_slots,
           values.Alternate());
  return values.selector;
}

template size_t order_scratch<float>(int64_t);
template size_t order_scratch<double>(int64_t);
template int order_splats(const BinInput<float>&, const SplatOrder<float>&);
template int order_splats(const BinInput<double>&, const SplatOrder<double>&);
template int make_lists(const BinInput<float>&, const TileLists<uint16_t>&);
template int make_lists(const BinInput<float>&, const TileLists<uint32_t>&);
template int make_lists(const BinInput<double>&, const TileLists<uint16_t>&);
template int make_lists(const BinInput<double>&, const TileLists<uint32_t>&);

}  // namespace gk::cuda

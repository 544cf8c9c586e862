#include "bin.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "../cpu/aligned.h"
#include "../cpu/multiversion.h"
#include "../cpu/parallel.h"

namespace gk {
namespace {

constexpr int kBlock = 256;  // splats a task covers: their ellipses fit the first cache

// The ellipses of a block of splats, one array a quantity, so that the loops over them are loops over lanes.
template <class T> struct Ellipses {
  alignas(64) T a[kBlock], b[kBlock], c[kBlock], det[kBlock], mx[kBlock], my[kBlock], inverse_a[kBlock], inverse_c[kBlock];
  alignas(64) T reach2[kBlock], half_width[kBlock], half_height[kBlock], tilt_x[kBlock], tilt_y[kBlock];
  alignas(64) int32_t top[kBlock], bottom[kBlock];

  GK_INLINE void put(int32_t i, const Ellipse<T>& e) {
    a[i] = e.a, b[i] = e.b, c[i] = e.c, det[i] = e.det, mx[i] = e.mx, my[i] = e.my, inverse_a[i] = e.inverse_a;
    inverse_c[i] = e.inverse_c, reach2[i] = e.reach2, half_width[i] = e.half_width, half_height[i] = e.half_height;
    tilt_x[i] = e.tilt_x, tilt_y[i] = e.tilt_y, top[i] = e.top, bottom[i] = e.bottom;
  }
  GK_INLINE Ellipse<T> operator[](int32_t i) const {
    return {a[i],      b[i],          c[i],           det[i],    mx[i],     my[i],  inverse_a[i], inverse_c[i],
            reach2[i], half_width[i], half_height[i], tilt_x[i], tilt_y[i], top[i], bottom[i]};
  }
};

// Fills in the ellipses of the splats from `begin` on, whose reaches are known.
template <class T> GK_INLINE void load(const BinInput<T>& in, const T* reaches, int64_t begin, int n, Ellipses<T>& ellipses) {
  const T width = T(in.width), height = T(in.height);
  const T *__restrict conics = in.conics + 3 * begin, *__restrict means = in.means2d + 2 * begin;
  Ellipses<T>& __restrict e = ellipses;
  reaches += begin;
  for (int i = 0; i < n; ++i) e.put(i, make_ellipse(means + 2 * i, conics + 3 * i, reaches[i], width, height));
}

// One row of tiles that an ellipse of the block may touch: from `first` to `last` column, none where first > last.
struct Rows {
  AlignedVector<int32_t> splat, row, first, last;
};

template <class T> GK_INLINE void find_rows(const BinInput<T>& in, const Ellipses<T>& e, int n, Rows& rows) {
  int64_t count = 0;
  for (int i = 0; i < n; ++i)
    if (e.top[i] <= e.bottom[i]) count += e.bottom[i] / kTile - e.top[i] / kTile + 1;
  rows.splat.resize(count), rows.row.resize(count), rows.first.resize(count), rows.last.resize(count);
  int32_t *__restrict splat = rows.splat.data(), *__restrict row = rows.row.data();
  int64_t at = 0;
  for (int i = 0; i < n; ++i) {
    if (e.top[i] > e.bottom[i]) continue;
    const int32_t end = e.bottom[i] / kTile;
    for (int32_t r = e.top[i] / kTile; r <= end; ++r, ++at) splat[at] = i, row[at] = r;
  }
  const T width = T(in.width);
  int32_t *__restrict first = rows.first.data(), *__restrict last = rows.last.data();
  for (int64_t k = 0; k < count; ++k) {
    int32_t left, right;
    columns_reached(e[splat[k]], row[k], width, left, right);
    first[k] = left, last[k] = right;
  }
}

// The visible splats front to back; equal depths in order of index. Depths are positive, so their bits sort as they do.
std::vector<int32_t> front_to_back(const float* depths, int64_t n) {
  struct Key { uint32_t bits; int32_t id; };
  std::vector<Key> keys, other;
  keys.reserve(n);
  for (int64_t i = 0; i < n; ++i)
    if (depths[i] > 0) {
      uint32_t bits;
      std::memcpy(&bits, depths + i, 4);
      keys.push_back({bits, int32_t(i)});
    }
  other.resize(keys.size());
  std::vector<uint32_t> start(3 << 11, 0);  // three passes of 11 bits
  for (const Key& key : keys)
    for (int pass = 0; pass < 3; ++pass) ++start[(pass << 11) + ((key.bits >> (11 * pass)) & 2047)];
  for (int pass = 0; pass < 3; ++pass) {
    uint32_t* bucket = &start[pass << 11];
    uint32_t total = 0;
    for (int d = 0; d < 2048; ++d) {
      const uint32_t count = bucket[d];
      bucket[d] = total, total += count;
    }
    for (const Key& key : keys) other[bucket[(key.bits >> (11 * pass)) & 2047]++] = key;
    keys.swap(other);
  }
  std::vector<int32_t> order(keys.size());
  for (size_t j = 0; j < keys.size(); ++j) order[j] = keys[j].id;
  return order;
}

std::vector<int32_t> front_to_back(const double* depths, int64_t n) {
  std::vector<int32_t> order;
  for (int64_t i = 0; i < n; ++i)
    if (depths[i] > 0) order.push_back(int32_t(i));
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return depths[a] < depths[b]; });
  return order;
}

// The loops over splats, in functions of their own (see cpu/multiversion.h).
template <class T>
GK_INLINE int64_t count_splats(const BinInput<T>& in, T* reaches, int32_t* counts, int64_t begin, int64_t end) {
  Ellipses<T> e;
  Rows rows;
  int64_t total = 0;
  for (; begin < end; begin += kBlock) {
    const int n = int(std::min<int64_t>(kBlock, end - begin));
    for (int64_t i = begin; i < begin + n; ++i)
      reaches[i] = reach_of(in.means2d + 2 * i, in.conics + 3 * i, in.depths[i], in.amplitudes[i]), counts[i] = 0;
    load(in, reaches, begin, n, e);
    find_rows(in, e, n, rows);
    for (size_t k = 0; k < rows.splat.size(); ++k) {
      const int32_t touched = rows.last[k] - rows.first[k] + 1;
      counts[begin + rows.splat[k]] += touched, total += touched;
    }
  }
  return total;
}

// What is known of a slot before the lists are made.
struct Place {
  int32_t tile, rows;
};

template <class T>
GK_INLINE void fill_splats(const BinInput<T>& in, const T* reaches, const int32_t* first_slots, Place* places, int64_t begin,
                           int64_t end) {
  const int32_t columns = int32_t(tile_columns(in.width));
  Ellipses<T> e;
  Rows rows;
  AlignedVector<int32_t> splats, tile_row, tile_column;
  for (; begin < end; begin += kBlock) {
    const int n = int(std::min<int64_t>(kBlock, end - begin));
    load(in, reaches, begin, n, e);
    find_rows(in, e, n, rows);
    const int64_t room = first_slots[begin + n] - first_slots[begin];
    splats.resize(room), tile_row.resize(room), tile_column.resize(room);
    int64_t count = 0;  // never exceeds the room, should two copies of the arithmetic round differently
    for (size_t k = 0; k < rows.splat.size(); ++k)
      for (int32_t column = rows.first[k]; column <= rows.last[k] && count < room; ++column, ++count)
        splats[count] = rows.splat[k], tile_row[count] = rows.row[k], tile_column[count] = column;
    Place* __restrict out = places + first_slots[begin];
    const int32_t *__restrict i = splats.data(), *__restrict r = tile_row.data(), *__restrict c = tile_column.data();
    for (int64_t k = 0; k < count; ++k) out[k] = {r[k] * columns + c[k], rows_reached(e[i[k]], r[k], c[k])};
    for (int64_t k = count; k < room; ++k) out[k] = {0, 0};
  }
}

#define GK_INSTANTIATE(T, ATTRIBUTES)                                                                              \
  ATTRIBUTES int64_t count_range(const BinInput<T>& in, T* reaches, int32_t* counts, int64_t begin, int64_t end) {  \
    return count_splats(in, reaches, counts, begin, end);                                                           \
  }                                                                                                                 \
  ATTRIBUTES void fill_range(const BinInput<T>& in, const T* reaches, const int32_t* first_slots, Place* places,    \
                             int64_t begin, int64_t end) {                                                          \
    fill_splats(in, reaches, first_slots, places, begin, end);                                                      \
  }
GK_INSTANTIATE(float, GK_MULTIVERSION)
GK_INSTANTIATE(double, )
#undef GK_INSTANTIATE

constexpr int64_t kTask = 4 * kBlock;  // splats a thread takes at a time

}  // namespace

template <class T> int64_t bin_count(const BinInput<T>& in, T* reaches, int32_t* counts) {
  int64_t total = 0;
#pragma omp parallel for schedule(static) reduction(+ : total) if (in.splats * 32 > kParallelWork)
  for (int64_t begin = 0; begin < in.splats; begin += kTask)
    total += count_range(in, reaches, counts, begin, std::min(begin + kTask, in.splats));
  return total;
}

template <class T>
void bin_fill(const BinInput<T>& in, const T* reaches, const int32_t* counts, int32_t* offsets, Entry* entries,
              int32_t* first_slots) {
  const int64_t tiles = tile_columns(in.width) * tile_rows(in.height);
  first_slots[0] = 0;
  for (int64_t i = 0; i < in.splats; ++i) first_slots[i + 1] = first_slots[i] + counts[i];
  AlignedVector<Place> places(first_slots[in.splats]);
  std::vector<int32_t> next(tiles, 0);
#pragma omp parallel for schedule(static) if (in.splats * 32 > kParallelWork)
  for (int64_t begin = 0; begin < in.splats; begin += kTask)
    fill_range(in, reaches, first_slots, places.data(), begin, std::min(begin + kTask, in.splats));
  for (const Place& place : places) ++next[place.tile];
  int32_t start = 0;
  for (int64_t t = 0; t < tiles; ++t) {
    offsets[t] = start, start += next[t];
    next[t] = offsets[t];
  }
  offsets[tiles] = start;
  // Splats come in order of depth, their places in order of index: ask for them ahead of time.
  constexpr size_t kAhead = 24, kFarAhead = 48;
  const std::vector<int32_t> order = front_to_back(in.depths, in.splats);
  for (size_t j = 0; j < order.size(); ++j) {
    if (j + kFarAhead < order.size()) __builtin_prefetch(first_slots + order[j + kFarAhead]);
    if (j + kAhead < order.size()) __builtin_prefetch(places.data() + first_slots[order[j + kAhead]]);
    const int32_t i = order[j];
    for (int32_t slot = first_slots[i]; slot < first_slots[i + 1]; ++slot)
      entries[next[places[slot].tile]++] = {i, slot, places[slot].rows};
  }
}

template int64_t bin_count(const BinInput<float>&, float*, int32_t*);
template int64_t bin_count(const BinInput<double>&, double*, int32_t*);
template void bin_fill(const BinInput<float>&, const float*, const int32_t*, int32_t*, Entry*, int32_t*);
template void bin_fill(const BinInput<double>&, const double*, const int32_t*, int32_t*, Entry*, int32_t*);

}  // namespace gk

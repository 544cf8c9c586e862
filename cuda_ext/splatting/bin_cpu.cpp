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

template <class T> constexpr T kSlack = T(1e-3);  // pixels; rounding never loses a tile

template <class T> GK_INLINE T clamped(T value, T low, T high) { return std::min(std::max(value, low), high); }
// The first pixel centre at or after `low`, the last at or before `high`.
template <class T> GK_INLINE int32_t first_pixel(T low, T size) { return int32_t(std::ceil(clamped(low - T(0.5), T(0), size))); }
template <class T> GK_INLINE int32_t last_pixel(T high, T size) {
  return int32_t(std::floor(clamped(high - T(0.5), T(-1), size - T(1))));
}

// The ellipses {a dx^2 + 2 b dx dy + c dy^2 <= reach2} of a block of splats, one array a quantity, so that the loops over
// them are loops over lanes. One is widest at dy = -+tilt_y, highest at dx = -+tilt_x; top > bottom: nothing to draw.
template <class T> struct Ellipses {
  alignas(64) T a[kBlock], b[kBlock], c[kBlock], det[kBlock], mx[kBlock], my[kBlock], inverse_a[kBlock], inverse_c[kBlock];
  alignas(64) T reach2[kBlock], half_width[kBlock], half_height[kBlock], tilt_x[kBlock], tilt_y[kBlock];
  alignas(64) int32_t top[kBlock], bottom[kBlock];
};

// Fills in the ellipses of the splats from `begin` on, whose reaches are known.
template <class T> GK_INLINE void load(const BinInput<T>& in, const T* reaches, int64_t begin, int n, Ellipses<T>& ellipses) {
  const T width = T(in.width), height = T(in.height);
  const T *__restrict conics = in.conics + 3 * begin, *__restrict means = in.means2d + 2 * begin;
  Ellipses<T>& __restrict e = ellipses;
  reaches += begin;
  for (int i = 0; i < n; ++i) {
    const T reach2 = reaches[i], a0 = conics[3 * i], b0 = conics[3 * i + 1], c0 = conics[3 * i + 2];
    const T mx0 = means[2 * i], my0 = means[2 * i + 1];
    const bool drawn = reach2 > 0;
    const T a = drawn ? a0 : T(1), b = drawn ? b0 : T(0), c = drawn ? c0 : T(1), mx = drawn ? mx0 : T(0), my = drawn ? my0 : T(0);
    const T det = a * c - b * b, scale = reach2 / det;
    const T half_width = std::sqrt(scale * c) + kSlack<T>, half_height = std::sqrt(scale * a) + kSlack<T>;
    e.a[i] = a, e.b[i] = b, e.c[i] = c, e.det[i] = det, e.mx[i] = mx, e.my[i] = my, e.reach2[i] = reach2;
    e.inverse_a[i] = T(1) / a, e.inverse_c[i] = T(1) / c, e.half_width[i] = half_width, e.half_height[i] = half_height;
    e.tilt_x[i] = b * e.inverse_a[i] * half_height, e.tilt_y[i] = b * e.inverse_c[i] * half_width;
    const int32_t top = first_pixel(my - half_height, height), bottom = last_pixel(my + half_height, height);
    const int32_t left = first_pixel(mx - half_width, width), right = last_pixel(mx + half_width, width);
    const bool touched = drawn & (left <= right);
    e.top[i] = touched ? top : 1, e.bottom[i] = touched ? bottom : 0;
  }
}

// The extent along one axis of the ellipse p u^2 + 2 q u v + r v^2 <= reach2 between v = low and v = high: a chord's end
// is a concave function of v, so its maximum over the band lies at the ellipse's own maximum, clamped to the band.
template <class T>
GK_INLINE void chord(T p, T inverse_p, T q, T det, T reach2, T tilt, T low, T high, T& first, T& last) {
  const T v_last = clamped(-tilt, low, high), v_first = clamped(tilt, low, high);
  last = (std::sqrt(std::max(reach2 * p - det * v_last * v_last, T(0))) - q * v_last) * inverse_p;
  first = (-std::sqrt(std::max(reach2 * p - det * v_first * v_first, T(0))) - q * v_first) * inverse_p;
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
    const int32_t i = splat[k], r = row[k] * kTile;
    const T low = std::max(T(std::max(e.top[i], r)) + T(0.5) - e.my[i], -e.half_height[i]);
    const T high = std::min(T(std::min(e.bottom[i], r + kTile - 1)) + T(0.5) - e.my[i], e.half_height[i]);
    T begin, end;
    chord(e.a[i], e.inverse_a[i], e.b[i], e.det[i], e.reach2[i], e.tilt_y[i], low, high, begin, end);
    const int32_t left = first_pixel(e.mx[i] + begin - kSlack<T>, width), right = last_pixel(e.mx[i] + end + kSlack<T>, width);
    first[k] = left <= right ? left / kTile : 1, last[k] = left <= right ? right / kTile : 0;
  }
}

// Bit y: the ellipse reaches row y of the tile within the tile's columns.
template <class T> GK_INLINE int32_t rows_reached(const Ellipses<T>& e, int32_t i, int32_t row, int32_t column) {
  const T low = std::max(T(column * kTile) + T(0.5) - e.mx[i], -e.half_width[i]);
  const T high = std::min(T(column * kTile + kTile) - T(0.5) - e.mx[i], e.half_width[i]);
  T begin, end;
  chord(e.c[i], e.inverse_c[i], e.b[i], e.det[i], e.reach2[i], e.tilt_x[i], low, high, begin, end);
  const T above = std::ceil(e.my[i] + begin - kSlack<T> - T(0.5)) - T(row * kTile);
  const T below = std::floor(e.my[i] + end + kSlack<T> - T(0.5)) - T(row * kTile);
  const int32_t first = int32_t(clamped(above, T(0), T(kTile))), last = int32_t(clamped(below, T(-1), T(kTile - 1)));
  return low <= high && first <= last ? int32_t((2u << last) - (1u << first)) : 0;
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
    for (int64_t i = begin; i < begin + n; ++i) {
      const T a = in.conics[3 * i], b = in.conics[3 * i + 1], c = in.conics[3 * i + 2], det = a * c - b * b;
      const T reach2 = in.depths[i] > 0 ? T(2) * std::log(in.amplitudes[i] * T(1 / kAlphaMin)) : T(0);
      const bool sound = reach2 > 0 && a > 0 && det > 0 && reach2 * (a + c) < det * T(1e18) &&
                         std::isfinite(in.means2d[2 * i]) && std::isfinite(in.means2d[2 * i + 1]);
      reaches[i] = sound ? reach2 : T(0), counts[i] = 0;
    }
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
    for (int64_t k = 0; k < count; ++k) out[k] = {r[k] * columns + c[k], rows_reached(e, i[k], r[k], c[k])};
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

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

template <class T> constexpr T kSlack = T(1e-3);  // pixels; rounding never loses a tile

template <class T> GK_INLINE int64_t first_pixel(T low, int64_t size) {  // first pixel centre at or after `low`
  return int64_t(std::ceil(std::min(std::max(low - T(0.5), T(0)), T(size))));
}
template <class T> GK_INLINE int64_t last_pixel(T high, int64_t size) {  // last pixel centre at or before `high`
  return int64_t(std::floor(std::min(std::max(high - T(0.5), T(-1)), T(size - 1))));
}

// The ellipse {a dx^2 + 2 b dx dy + c dy^2 <= reach2} of one splat. It is widest at dy = -+tilt_y, highest at dx = -+tilt_x.
template <class T> struct Ellipse {
  T reach2, a, b, c, det, mx, my, inverse_a, inverse_c, half_width, half_height, tilt_x, tilt_y;
  GK_INLINE Ellipse(const BinInput<T>& in, T reach2, int64_t i)
      : reach2(reach2), a(in.conics[3 * i]), b(in.conics[3 * i + 1]), c(in.conics[3 * i + 2]), det(a * c - b * b),
        mx(in.means2d[2 * i]), my(in.means2d[2 * i + 1]), inverse_a(T(1) / a), inverse_c(T(1) / c) {
    const T scale = reach2 / det;
    half_width = std::sqrt(scale * c) + kSlack<T>, half_height = std::sqrt(scale * a) + kSlack<T>;
    tilt_x = b * inverse_a * half_height, tilt_y = b * inverse_c * half_width;
  }
};

// The extent along one axis of the ellipse p u^2 + 2 q u v + r v^2 <= reach2 between v = low and v = high: a chord's end
// is a concave function of v, so its maximum over the band lies at the ellipse's own maximum, clamped to the band.
template <class T>
GK_INLINE void chord(T p, T inverse_p, T q, T det, T reach2, T tilt, T low, T high, T& first, T& last) {
  const T v_last = std::min(std::max(-tilt, low), high), v_first = std::min(std::max(tilt, low), high);
  last = (std::sqrt(std::max(reach2 * p - det * v_last * v_last, T(0))) - q * v_last) * inverse_p;
  first = (-std::sqrt(std::max(reach2 * p - det * v_first * v_first, T(0))) - q * v_first) * inverse_p;
}

// Calls visit(tile_row, first_column, last_column) for every row of tiles that the ellipse touches.
template <class T, class Visit> GK_INLINE void visit_rows(const BinInput<T>& in, const Ellipse<T>& e, Visit visit) {
  const int64_t top = first_pixel(e.my - e.half_height, in.height), bottom = last_pixel(e.my + e.half_height, in.height);
  const int64_t left = first_pixel(e.mx - e.half_width, in.width), right = last_pixel(e.mx + e.half_width, in.width);
  if (top > bottom || left > right) return;
  if (top / kTile == bottom / kTile) return visit(top / kTile, left / kTile, right / kTile);
  for (int64_t row = top / kTile; row <= bottom / kTile; ++row) {
    const T low = std::max(T(std::max(top, row * kTile)) + T(0.5) - e.my, -e.half_height);
    const T high = std::min(T(std::min(bottom, row * kTile + kTile - 1)) + T(0.5) - e.my, e.half_height);
    T begin, end;
    chord(e.a, e.inverse_a, e.b, e.det, e.reach2, e.tilt_y, low, high, begin, end);
    const int64_t first = first_pixel(e.mx + begin - kSlack<T>, in.width), last = last_pixel(e.mx + end + kSlack<T>, in.width);
    if (first <= last) visit(row, first / kTile, last / kTile);
  }
}

// Bit y: the ellipse reaches row y of the tile within the tile's columns.
template <class T> GK_INLINE int32_t rows_reached(const Ellipse<T>& e, int64_t row, int64_t column) {
  const T low = std::max(T(column * kTile) + T(0.5) - e.mx, -e.half_width);
  const T high = std::min(T(column * kTile + kTile) - T(0.5) - e.mx, e.half_width);
  if (!(low <= high)) return 0;
  T begin, end;
  chord(e.c, e.inverse_c, e.b, e.det, e.reach2, e.tilt_x, low, high, begin, end);
  const T above = std::ceil(e.my + begin - kSlack<T> - T(0.5)) - T(row * kTile);
  const T below = std::floor(e.my + end + kSlack<T> - T(0.5)) - T(row * kTile);
  const int first = int(std::min(std::max(above, T(0)), T(kTile))), last = int(std::min(std::max(below, T(-1)), T(kTile - 1)));
  return first <= last ? int32_t((2u << last) - (1u << first)) : 0;
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
  int64_t total = 0;
  for (int64_t i = begin; i < end; ++i) {
    int32_t count = 0;
    reaches[i] = 0;
    if (in.depths[i] > 0) {
      const T a = in.conics[3 * i], b = in.conics[3 * i + 1], c = in.conics[3 * i + 2], det = a * c - b * b;
      const T reach2 = T(2) * std::log(in.amplitudes[i] * T(1 / kAlphaMin));
      if (reach2 > 0 && a > 0 && det > 0 && reach2 * (a + c) < det * T(1e18) && std::isfinite(in.means2d[2 * i]) &&
          std::isfinite(in.means2d[2 * i + 1])) {
        reaches[i] = reach2;
        visit_rows(in, Ellipse<T>(in, reach2, i), [&](int64_t, int64_t first, int64_t last) GK_INLINE_LAMBDA {
          count += int32_t(last - first + 1);
        });
      }
    }
    counts[i] = count;
    total += count;
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
  const int64_t columns = tile_columns(in.width);
  for (int64_t i = begin; i < end; ++i) {
    int32_t slot = first_slots[i];
    const int32_t last_slot = first_slots[i + 1];  // never exceeded, should two copies of the arithmetic round differently
    if (slot == last_slot) continue;
    const Ellipse<T> ellipse(in, reaches[i], i);
    visit_rows(in, ellipse, [&](int64_t row, int64_t first, int64_t last) GK_INLINE_LAMBDA {
      for (int64_t column = first; column <= last && slot < last_slot; ++column, ++slot) {
        places[slot] = {int32_t(row * columns + column), rows_reached(ellipse, row, column)};
      }
    });
    for (; slot < last_slot; ++slot) places[slot] = {0, 0};
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

constexpr int64_t kBlock = 1024;  // splats a task covers

}  // namespace

template <class T> int64_t bin_count(const BinInput<T>& in, T* reaches, int32_t* counts) {
  int64_t total = 0;
#pragma omp parallel for schedule(static) reduction(+ : total) if (in.splats * 32 > kParallelWork)
  for (int64_t begin = 0; begin < in.splats; begin += kBlock)
    total += count_range(in, reaches, counts, begin, std::min(begin + kBlock, in.splats));
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
  for (int64_t begin = 0; begin < in.splats; begin += kBlock)
    fill_range(in, reaches, first_slots, places.data(), begin, std::min(begin + kBlock, in.splats));
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

#include "bin.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "../cpu/parallel.h"

namespace gk {
namespace {

constexpr double kSlack = 1e-3;  // pixels; rounding never loses a tile

inline int64_t clamp_pixel(double x, int64_t size) { return int64_t(std::min(std::max(x, -1.0), double(size))); }

// Calls visit(tile_row, first_column, last_column) for every row of tiles that the ellipse touches.
template <class T, class Visit> void visit_rows(const BinInput<T>& in, const T* reaches, int64_t i, Visit visit) {
  const double reach2 = reaches[2 * i], half_height = reaches[2 * i + 1];
  const double a = in.conics[3 * i], b = in.conics[3 * i + 1], c = in.conics[3 * i + 2], det = a * c - b * b;
  const double mx = in.means2d[2 * i], my = in.means2d[2 * i + 1];
  const int64_t top = std::max<int64_t>(clamp_pixel(std::ceil(my - half_height - 0.5), in.height), 0);
  const int64_t bottom = std::min<int64_t>(clamp_pixel(std::floor(my + half_height - 0.5), in.height), in.height - 1);
  if (top > bottom) return;
  const double widest = std::sqrt(reach2 * c / det);  // half width, reached at dy = -(b/c) dx
  for (int64_t row = top / kTile; row <= bottom / kTile; ++row) {
    const double low = std::max<double>(std::max(top, row * kTile) + 0.5 - my, -half_height);
    const double high = std::min<double>(std::min(bottom, row * kTile + kTile - 1) + 0.5 - my, half_height);
    const double dy_right = std::min(std::max(-b / c * widest, low), high);
    const double dy_left = std::min(std::max(b / c * widest, low), high);
    const double right = (-b * dy_right + std::sqrt(std::max(reach2 * a - det * dy_right * dy_right, 0.0))) / a;
    const double left = (-b * dy_left - std::sqrt(std::max(reach2 * a - det * dy_left * dy_left, 0.0))) / a;
    const int64_t first = std::max<int64_t>(clamp_pixel(std::ceil(mx + left - kSlack - 0.5), in.width), 0);
    const int64_t last = std::min<int64_t>(clamp_pixel(std::floor(mx + right + kSlack - 0.5), in.width), in.width - 1);
    if (first <= last) visit(row, first / kTile, last / kTile);
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

}  // namespace

template <class T> int64_t bin_count(const BinInput<T>& in, T* reaches, int32_t* counts) {
  int64_t total = 0;
#pragma omp parallel for schedule(static) reduction(+ : total) if (in.splats * 32 > kParallelWork)
  for (int64_t i = 0; i < in.splats; ++i) {
    const double a = in.conics[3 * i], b = in.conics[3 * i + 1], c = in.conics[3 * i + 2], det = a * c - b * b;
    const double reach2 = 2.0 * std::log(double(in.amplitudes[i]) / kAlphaMin);
    const double half_height = std::sqrt(reach2 * a / det) + kSlack;
    const bool usable = in.depths[i] > 0 && reach2 > 0 && a > 0 && det > 0 && half_height < 1e9 &&
                        std::isfinite(in.means2d[2 * i]) && std::isfinite(in.means2d[2 * i + 1]);
    reaches[2 * i] = usable ? T(reach2) : T(0);
    reaches[2 * i + 1] = usable ? T(half_height) : T(0);
    int32_t count = 0;
    if (usable) visit_rows(in, reaches, i, [&](int64_t, int64_t first, int64_t last) { count += int32_t(last - first + 1); });
    counts[i] = count;
    total += count;
  }
  return total;
}

template <class T>
void bin_fill(const BinInput<T>& in, const T* reaches, const int32_t* counts, int32_t* offsets, int32_t* ids,
              int32_t* slots, int32_t* first_slots) {
  const int64_t columns = tile_columns(in.width), tiles = columns * tile_rows(in.height);
  first_slots[0] = 0;
  for (int64_t i = 0; i < in.splats; ++i) first_slots[i + 1] = first_slots[i] + counts[i];
  const std::vector<int32_t> order = front_to_back(in.depths, in.splats);
  std::vector<int32_t> next(tiles + 1, 0);
  for (int64_t i = 0; i < in.splats; ++i)
    if (counts[i])
      visit_rows(in, reaches, i, [&](int64_t row, int64_t first, int64_t last) {
        for (int64_t column = first; column <= last; ++column) ++next[row * columns + column];
      });
  int32_t total = 0;
  for (int64_t t = 0; t < tiles; ++t) {
    const int32_t count = next[t];
    offsets[t] = next[t] = total;
    total += count;
  }
  offsets[tiles] = total;
  for (const int32_t i : order) {
    if (!counts[i]) continue;
    int32_t slot = first_slots[i];
    visit_rows(in, reaches, i, [&](int64_t row, int64_t first, int64_t last) {
      for (int64_t column = first; column <= last; ++column) {
        const int32_t place = next[row * columns + column]++;
        ids[place] = i;
        slots[place] = slot++;
      }
    });
  }
}

template int64_t bin_count(const BinInput<float>&, float*, int32_t*);
template int64_t bin_count(const BinInput<double>&, double*, int32_t*);
template void bin_fill(const BinInput<float>&, const float*, const int32_t*, int32_t*, int32_t*, int32_t*, int32_t*);
template void bin_fill(const BinInput<double>&, const double*, const int32_t*, int32_t*, int32_t*, int32_t*, int32_t*);

}  // namespace gk

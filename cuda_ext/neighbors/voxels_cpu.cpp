#include "voxels.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "../cpu/aligned.h"
#include "../cpu/multiversion.h"
#include "../cpu/parallel.h"

namespace gk {
namespace {

constexpr int64_t kBlock = 1024;  // points a call covers
constexpr int kDigit = 13;        // bits that a pass sorts by, at most

struct Key {
  uint64_t cell;
  uint32_t point;
};

// Cells of 3 * count coordinates.
template <class T> GK_INLINE void floor_cells(const T* points, int64_t count, double size, double* cells) {
  for (int64_t i = 0; i < 3 * count; ++i) cells[i] = std::floor(double(points[i]) / size);
}
GK_MULTIVERSION void cells_of(const float* points, int64_t count, double size, double* cells) {
  floor_cells(points, count, size, cells);
}
GK_MULTIVERSION void cells_of(const double* points, int64_t count, double size, double* cells) {
  floor_cells(points, count, size, cells);
}

// The least and the greatest coordinates of x, y, z. Lane i of sixteen points' coordinates belongs to axis i % 3.
template <class T> GK_INLINE void extremes(const T* points, int64_t count, T* low, T* high) {
  constexpr int kRow = 48;
  T least[kRow], greatest[kRow];
  for (int i = 0; i < kRow; ++i) least[i] = greatest[i] = points[i % 3];
  const int64_t size = 3 * count;
  int64_t at = 0;
  for (; at + kRow <= size; at += kRow)
    for (int i = 0; i < kRow; ++i) {
      const T x = points[at + i];
      least[i] = x < least[i] ? x : least[i], greatest[i] = x > greatest[i] ? x : greatest[i];
    }
  for (int i = 0; at < size; ++at, ++i) least[i] = std::min(least[i], points[at]), greatest[i] = std::max(greatest[i], points[at]);
  for (int a = 0; a < 3; ++a) {
    low[a] = least[a], high[a] = greatest[a];
    for (int i = a; i < kRow; i += 3) low[a] = std::min(low[a], least[i]), high[a] = std::max(high[a], greatest[i]);
  }
}
GK_MULTIVERSION void extremes_of(const float* points, int64_t count, float* low, float* high) { extremes(points, count, low, high); }
GK_MULTIVERSION void extremes_of(const double* points, int64_t count, double* low, double* high) {
  extremes(points, count, low, high);
}

// Stable, by the lowest `bits` bits, in the fewest passes.
void sort_by_cell(AlignedVector<Key>& keys, int bits) {
  if (!bits) return;
  const int passes = (bits + kDigit - 1) / kDigit, digit = (bits + passes - 1) / passes;
  const uint64_t mask = (uint64_t(1) << digit) - 1;
  AlignedVector<Key> other(keys.size());
  std::vector<int64_t> begins(mask + 1);
  for (int shift = 0; shift < passes * digit; shift += digit) {
    std::fill(begins.begin(), begins.end(), 0);
    for (const Key& key : keys) ++begins[(key.cell >> shift) & mask];
    int64_t sum = 0;
    for (int64_t& begin : begins) sum += begin, begin = sum - begin;
    for (const Key& key : keys) other[begins[(key.cell >> shift) & mask]++] = key;
    keys.swap(other);
  }
}

}  // namespace

// Division and floor are monotonic: the extreme points lie in the extreme cells.
template <class T> void voxel_bounds(const VoxelInput<T>& in, double* bounds) {
  T extreme[6];
  extremes_of(in.points, in.count, extreme, extreme + 3);
  for (int a = 0; a < 6; ++a) bounds[a] = std::floor(double(extreme[a]) / in.size);
}

template <class T> int64_t voxel_groups(const VoxelInput<T>& in, const double* bounds, int64_t* groups, int64_t* first) {
  const double* low = bounds;
  const uint64_t columns = uint64_t(bounds[5] - low[2]) + 1, rows = uint64_t(bounds[4] - low[1]) + 1;
  AlignedVector<Key> keys(in.count);
#pragma omp parallel for schedule(static) if (in.count > kParallelWork)
  for (int64_t begin = 0; begin < in.count; begin += kBlock) {
    double cells[3 * kBlock];
    const int64_t count = std::min(kBlock, in.count - begin);
    cells_of(in.points + 3 * begin, count, in.size, cells);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t x = int64_t(cells[3 * i] - low[0]), y = int64_t(cells[3 * i + 1] - low[1]), z = int64_t(cells[3 * i + 2] - low[2]);
      keys[begin + i] = {(uint64_t(x) * rows + uint64_t(y)) * columns + uint64_t(z), uint32_t(begin + i)};
    }
  }
  const uint64_t last = (uint64_t(bounds[3] - low[0]) * rows + rows - 1) * columns + columns - 1;
  int bits = 0;
  while (bits < 64 && last >> bits) ++bits;
  sort_by_cell(keys, bits);
  int64_t count = 0;
  for (int64_t i = 0; i < in.count; ++i) {
    if (!i || keys[i].cell != keys[i - 1].cell) first[count++] = keys[i].point;
    groups[keys[i].point] = count - 1;
  }
  return count;
}

template void voxel_bounds(const VoxelInput<float>&, double*);
template void voxel_bounds(const VoxelInput<double>&, double*);
template int64_t voxel_groups(const VoxelInput<float>&, const double*, int64_t*, int64_t*);
template int64_t voxel_groups(const VoxelInput<double>&, const double*, int64_t*, int64_t*);

}  // namespace gk

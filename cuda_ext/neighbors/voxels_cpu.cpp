#include "voxels.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "../cpu/aligned.h"
#include "../cpu/multiversion.h"
#include "../cpu/parallel.h"

namespace gk {
namespace {

constexpr int64_t kBlock = 1024;  // points a call covers
constexpr int kDigit = 11;        // bits a pass sorts by

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

// Stable, by the lowest `bits` bits.
void sort_by_cell(AlignedVector<Key>& keys, int bits) {
  AlignedVector<Key> other(keys.size());
  int64_t begins[1 << kDigit];
  for (int shift = 0; shift < bits; shift += kDigit) {
    std::memset(begins, 0, sizeof(begins));
    for (const Key& key : keys) ++begins[(key.cell >> shift) & ((1 << kDigit) - 1)];
    int64_t sum = 0;
    for (int64_t& begin : begins) sum += begin, begin = sum - begin;
    for (const Key& key : keys) other[begins[(key.cell >> shift) & ((1 << kDigit) - 1)]++] = key;
    keys.swap(other);
  }
}

}  // namespace

template <class T> void voxel_bounds(const VoxelInput<T>& in, double* bounds) {
  double low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {-INFINITY, -INFINITY, -INFINITY}, cells[3 * kBlock];
  for (int64_t begin = 0; begin < in.count; begin += kBlock) {
    const int64_t count = std::min(kBlock, in.count - begin);
    cells_of(in.points + 3 * begin, count, in.size, cells);
    for (int64_t i = 0; i < count; ++i)
      for (int a = 0; a < 3; ++a) low[a] = std::min(low[a], cells[3 * i + a]), high[a] = std::max(high[a], cells[3 * i + a]);
  }
  std::copy(low, low + 3, bounds), std::copy(high, high + 3, bounds + 3);
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
      const uint64_t x = uint64_t(cells[3 * i] - low[0]), y = uint64_t(cells[3 * i + 1] - low[1]), z = uint64_t(cells[3 * i + 2] - low[2]);
      keys[begin + i] = {(x * rows + y) * columns + z, uint32_t(begin + i)};
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

#include "plane_meet.h"

#include "../cpu/aligned.h"
#include "../cpu/lanes.h"
#include "../cpu/parallel.h"
#include "lattice.h"

#include <algorithm>
#include <cmath>

namespace gk {
namespace {

template <class T> struct Columns {  // coordinates of the points, then of the normals, each with a full vector to spare
  AlignedVector<T> values;
  int64_t stride;
  const T* operator[](int n) const { return values.data() + n * stride; }
};

struct Range {
  int64_t first, last;
};

// A symmetric 3x3 system by its cofactors; the pull keeps it definite.
template <class T> void solve3(const T* m, const T* right, T* x) {
  const T a = m[0], b = m[1], c = m[2], d = m[3], e = m[4], f = m[5];  // xx xy xz yy yz zz
  const T ca = d * f - e * e, cb = c * e - b * f, cc = b * e - c * d;
  const T scale = T(1) / (a * ca + b * cb + c * cc);
  x[0] = scale * (ca * right[0] + cb * right[1] + cc * right[2]);
  x[1] = scale * (cb * right[0] + (a * f - c * c) * right[1] + (b * c - a * e) * right[2]);
  x[2] = scale * (cc * right[0] + (b * c - a * e) * right[1] + (a * d - b * b) * right[2]);
}

// The sums over the points of some ranges: w, its six products of mean normals, right side, offsets, normals.
template <class T>
GK_INLINE void gather(const Columns<T>& columns, const Range* ranges, int count, const T* point, T reach, T turn, T* sums) {
  using L = Lanes<T>;
  L w_sum(0), m[6], right[3], offset[3], turned[3];
  for (L& v : m) v = L(0);
  for (int a = 0; a < 3; ++a) right[a] = offset[a] = turned[a] = L(0);
  const T steep = T(-0.5) / (turn * turn), far = reach * reach;
  const L index = lane_index<T>();
  for (int r = 0; r < count; ++r)
    for (int64_t i = ranges[r].first; i < ranges[r].last; i += kLanes) {
      const L ex = load(columns[0] + i) - point[0], ey = load(columns[1] + i) - point[1], ez = load(columns[2] + i) - point[2];
      const L nx = load(columns[3] + i), ny = load(columns[4] + i), nz = load(columns[5] + i);
      const L dx = nx - point[3], dy = ny - point[4], dz = nz - point[5];
      const L away = ex * ex + ey * ey + ez * ez;
      L w = exponential(T(-0.5) * away + steep * (dx * dx + dy * dy + dz * dz));
      w = select(minimum(far - away, T(ranges[r].last - i) - T(0.5) - index) < L(0), L(0), w);
      const L hx = T(0.5) * (nx + point[3]), hy = T(0.5) * (ny + point[4]), hz = T(0.5) * (nz + point[5]);
      const L along = hx * ex + hy * ey + hz * ez, wx = w * hx, wy = w * hy, wz = w * hz;
      w_sum = w_sum + w;
      m[0] = m[0] + wx * hx, m[1] = m[1] + wx * hy, m[2] = m[2] + wx * hz;
      m[3] = m[3] + wy * hy, m[4] = m[4] + wy * hz, m[5] = m[5] + wz * hz;
      right[0] = right[0] + wx * along, right[1] = right[1] + wy * along, right[2] = right[2] + wz * along;
      offset[0] = offset[0] + w * ex, offset[1] = offset[1] + w * ey, offset[2] = offset[2] + w * ez;
      turned[0] = turned[0] + w * nx, turned[1] = turned[1] + w * ny, turned[2] = turned[2] + w * nz;
    }
  sums[0] = sum(w_sum);
  for (int n = 0; n < 6; ++n) sums[1 + n] = sum(m[n]);
  for (int a = 0; a < 3; ++a) sums[7 + a] = sum(right[a]), sums[10 + a] = sum(offset[a]), sums[13 + a] = sum(turned[a]);
}

GK_MULTIVERSION void gather_sums(const Columns<float>& c, const Range* r, int n, const float* p, float reach, float turn, float* s) {
  gather<float>(c, r, n, p, reach, turn, s);
}
void gather_sums(const Columns<double>& c, const Range* r, int n, const double* p, double reach, double turn, double* s) {
  gather<double>(c, r, n, p, reach, turn, s);
}

}  // namespace

template <class T> void plane_meet(const OrientedCells<T>& cloud, T* moved, T* turned) {
  Columns<T> columns;
  columns.stride = (cloud.points + 2 * kLanes - 1) / kLanes * kLanes;
  columns.values.assign(6 * columns.stride, T(0));
  for (int64_t i = 0; i < cloud.points; ++i)
    for (int a = 0; a < 3; ++a) {
      columns.values[a * columns.stride + i] = cloud.places[3 * i + a];
      columns.values[(3 + a) * columns.stride + i] = cloud.normals[3 * i + a];
    }
  const int steps = int(std::ceil(cloud.reach));
  const int64_t* end = cloud.keys + cloud.cells;
#pragma omp parallel for schedule(dynamic, 16) if (cloud.points * 64 > kParallelWork)
  for (int64_t cell = 0; cell < cloud.cells; ++cell) {
    Range ranges[49];
    int count = 0;
    for (int i = -steps; i <= steps; ++i)
      for (int j = -steps; j <= steps; ++j) {
        const int64_t middle = cloud.keys[cell] + i * kAxisStep[0] + j * kAxisStep[1];
        const int64_t first = std::lower_bound(cloud.keys, end, middle - steps) - cloud.keys;
        const int64_t last = std::upper_bound(cloud.keys + first, end, middle + steps) - cloud.keys;
        if (first < last) ranges[count++] = {cloud.offsets[first], cloud.offsets[last]};
      }
    for (int64_t p = cloud.offsets[cell]; p < cloud.offsets[cell + 1]; ++p) {
      const T point[6] = {columns[0][p], columns[1][p], columns[2][p], columns[3][p], columns[4][p], columns[5][p]};
      T sums[16], step[3];
      gather_sums(columns, ranges, count, point, cloud.reach, cloud.turn, sums);
      const T pull = cloud.pull * sums[0];
      sums[1] += pull, sums[4] += pull, sums[6] += pull;
      for (int a = 0; a < 3; ++a) sums[7 + a] += cloud.pull * sums[10 + a];
      solve3(sums + 1, sums + 7, step);
      const T length = std::sqrt(step[0] * step[0] + step[1] * step[1] + step[2] * step[2]);
      const T shorter = length > T(2) ? T(2) / length : T(1);
      const T norm = std::sqrt(sums[13] * sums[13] + sums[14] * sums[14] + sums[15] * sums[15]);
      for (int a = 0; a < 3; ++a) {
        moved[3 * p + a] = point[a] + shorter * step[a];
        turned[3 * p + a] = norm > T(0) ? sums[13 + a] / norm : point[3 + a];
      }
    }
  }
}

template void plane_meet(const OrientedCells<float>&, float*, float*);
template void plane_meet(const OrientedCells<double>&, double*, double*);

}  // namespace gk

// Generalised winding numbers: solid angles of near triangles, moments of far subtrees.
//
// The winding number is 1 / 4 pi times the integral of n.f over the surface, f(x) = (x - q) / |x - q|^3. Around the centre p
// of a subtree, with R = p - q, f is expanded to second order. It is the gradient of a harmonic function, so only the
// symmetric trace-free parts of the moments matter: N.R / r^3 - 3 M(R, R) / r^5 + 15/2 S(R, R, R) / r^7.
#include <algorithm>
#include <cmath>
#include <vector>

#include "../cpu/parallel.h"
#include "bvh_lanes.h"

namespace gk {
namespace {

// Corners of one triangle of a block, in double precision.
template <class T> void corners_of(const T* block, int lane, double (&p)[3][3]) {
  for (int corner = 0; corner < 3; ++corner)
    for (int axis = 0; axis < 3; ++axis) p[corner][axis] = block[8 * (3 * corner + axis) + lane];
}

// The area vector of a triangle.
void area_vector(const double (&p)[3][3], double (&area)[3]) {
  const Vec3<double> a = {p[0][0], p[0][1], p[0][2]}, b = {p[1][0], p[1][1], p[1][2]}, c = {p[2][0], p[2][1], p[2][2]};
  const Vec3<double> n = cross(b - a, c - a);
  area[0] = n.x / 2, area[1] = n.y / 2, area[2] = n.z / 2;
}

// The moments of the blocks [first, last), written into one lane of a node's block of moments.
template <class T> void moments_of(const Bvh<T>& tree, int64_t first, int64_t last, T* out) {
  double centre[3] = {}, middle[3] = {}, weight = 0, p[3][3], area[3];
  const auto each = [&](auto visit) {
    for (int64_t block = first; block < last; ++block)
      for (int lane = 0; lane < 8; ++lane) {
        corners_of(tree.triangles + block * kTriangleRows * 8, lane, p);
        visit();
      }
  };
  each([&] {
    area_vector(p, area);
    const double size = std::sqrt(area[0] * area[0] + area[1] * area[1] + area[2] * area[2]);
    weight += size;
    for (int axis = 0; axis < 3; ++axis) {
      const double mean = (p[0][axis] + p[1][axis] + p[2][axis]) / 3;
      centre[axis] += size * mean, middle[axis] += mean;
    }
  });
  for (int axis = 0; axis < 3; ++axis) {
    const double mean = weight > 0 ? centre[axis] / weight : middle[axis] / double(8 * (last - first));
    centre[axis] = T(mean);  // as it is stored, so that the moments belong to it
  }
  double radius2 = 0, order0[3] = {}, order1[3][3] = {}, order2[3][3][3] = {};
  each([&] {
    area_vector(p, area);
    double mean[3] = {};
    for (int corner = 0; corner < 3; ++corner) {
      double squared = 0;
      for (int axis = 0; axis < 3; ++axis) {
        p[corner][axis] -= centre[axis];
        squared += p[corner][axis] * p[corner][axis], mean[axis] += p[corner][axis] / 3;
      }
      radius2 = std::max(radius2, squared);
    }
    for (int i = 0; i < 3; ++i) {
      order0[i] += area[i];
      for (int j = 0; j < 3; ++j) {
        order1[i][j] += area[i] * mean[j];
        for (int k = 0; k < 3; ++k) {
          double product = 9 * mean[j] * mean[k];
          for (int corner = 0; corner < 3; ++corner) product += p[corner][j] * p[corner][k];
          order2[i][j][k] += area[i] * product / 12;
        }
      }
    }
  });
  const double trace = (order1[0][0] + order1[1][1] + order1[2][2]) / 3;
  const auto symmetric = [&](int i, int j, int k) { return (order2[i][j][k] + order2[j][k][i] + order2[k][i][j]) / 3; };
  double traces[3];
  for (int i = 0; i < 3; ++i) traces[i] = (symmetric(i, 0, 0) + symmetric(i, 1, 1) + symmetric(i, 2, 2)) / 5;
  const auto put = [out](int row, double value) { out[8 * row] = T(value); };
  for (int i = 0; i < 3; ++i) put(kCentre + i, centre[i]), put(kOrder0 + i, order0[i]);
  put(kRadius2, radius2);
  int row1 = kOrder1, row2 = kOrder2;
  for (int i = 0; i < 3; ++i)
    for (int j = i; j < 3; ++j) {
      put(row1++, (order1[i][j] + order1[j][i]) / 2 - (i == j) * trace);
      for (int k = j; k < 3; ++k)
        put(row2++, symmetric(i, j, k) - (i == j) * traces[k] - (i == k) * traces[j] - (j == k) * traces[i]);
    }
}

template <class T> GK_INLINE T total(const Eight<T>& v) {
  T a[8];
  std::memcpy(a, &v, sizeof(v));
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

template <class T> GK_INLINE T winding_of_query(const Bvh<T>& tree, const T* moments, T beta2, const T* q) {
  int32_t stack[kBvhStack];
  int top = 0;
  stack[top++] = 0;
  double sum = 0;
  while (top) {
    const int32_t node = stack[--top];
    if (node < 0) {
      sum += double(total<T>(half_solid_angle(EightRows<T>{tree.triangles + int64_t(~node) * kTriangleRows * 8}, q)) * T(0.5 / kPi));
      continue;
    }
    const T* m = moments + int64_t(node) * kMomentRows * 8;
    const int32_t* children = tree.children + 8 * int64_t(node);
    const EightRows<T> row = {m};
    const Vec3<Eight<T>> r = from_place(three_rows(row, kCentre), q);
    const Eight<T> r2 = dot(r, r), zero = {};
    const auto far = r2 > beta2 * row(kRadius2);
    const unsigned near = ~bits_of(far) & 0xffu;
    if (near != 0xffu) {
      const Eight<T> series = winding_series<EightRows<T>, Eight<T>>(row, r, far ? r2 : zero + T(1));
      sum += double(total<T>(far ? series : zero)) * (0.25 / kPi);
    }
    for (unsigned bits = near; bits; bits &= bits - 1) {
      const int child = __builtin_ctz(bits);
      if (children[child] != kNoChild) stack[top++] = children[child];
    }
  }
  return T(sum);
}

template <class T>
GK_INLINE void winding_chunk(const Bvh<T>& tree, const T* moments, T beta2, const T* queries, const int32_t* order,
                             int64_t count, T* out) {
  for (int64_t k = 0; k < count; ++k) {
    const int64_t i = order[k];
    ask_for(queries, 3, order, k, count), ask_for(out, 1, order, k, count);
    const T q[3] = {queries[3 * i] * tree.scale, queries[3 * i + 1] * tree.scale, queries[3 * i + 2] * tree.scale};
    out[i] = winding_of_query(tree, moments, beta2, q);
  }
}
GK_MULTIVERSION void winding(const Bvh<float>& tree, const float* moments, float beta2, const float* queries,
                             const int32_t* order, int64_t count, float* out) {
  winding_chunk(tree, moments, beta2, queries, order, count, out);
}
GK_MULTIVERSION void winding(const Bvh<double>& tree, const double* moments, double beta2, const double* queries,
                             const int32_t* order, int64_t count, double* out) {
  winding_chunk(tree, moments, beta2, queries, order, count, out);
}

}  // namespace

template <class T> void bvh_moments(const Bvh<T>& tree, T* moments) {
  // Children come after their parents and blocks are numbered depth first: a subtree's blocks are a range.
  std::vector<int64_t> first(tree.node_count), last(tree.node_count);
  for (int64_t node = tree.node_count - 1; node >= 0; --node) {
    int64_t low = tree.block_count, high = 0;
    for (int slot = 0; slot < 8; ++slot) {
      const int32_t child = tree.children[8 * node + slot];
      if (child == kNoChild) continue;
      low = std::min(low, child < 0 ? int64_t(~child) : first[child]);
      high = std::max(high, child < 0 ? int64_t(~child) + 1 : last[child]);
    }
    first[node] = low, last[node] = high;
  }
#pragma omp parallel for schedule(dynamic, 16) if (tree.node_count > 64)
  for (int64_t node = 0; node < tree.node_count; ++node)
    for (int slot = 0; slot < 8; ++slot) {
      const int32_t child = tree.children[8 * node + slot];
      T* out = moments + node * kMomentRows * 8 + slot;
      if (child == kNoChild)
        for (int row = 0; row < kMomentRows; ++row) out[8 * row] = T(0);
      else if (child < 0)
        moments_of(tree, ~child, int64_t(~child) + 1, out);
      else
        moments_of(tree, first[child], last[child], out);
    }
}

template <class T>
void bvh_winding(const Bvh<T>& tree, const T* moments, T beta, int64_t count, const T* queries, const int32_t* order, T* out) {
  const T beta2 = std::min(beta * beta, kLargest<T>);
#pragma omp parallel for schedule(dynamic) if (count > kQueryChunk)
  for (int64_t begin = 0; begin < count; begin += kQueryChunk)
    winding(tree, moments, beta2, queries, order + begin, std::min(kQueryChunk, count - begin), out);
}

template void bvh_moments(const Bvh<float>&, float*);
template void bvh_moments(const Bvh<double>&, double*);
template void bvh_winding(const Bvh<float>&, const float*, float, int64_t, const float*, const int32_t*, float*);
template void bvh_winding(const Bvh<double>&, const double*, double, int64_t, const double*, const int32_t*, double*);

}  // namespace gk

// Winding numbers: eight lanes a query, each with a sum of its own in double precision, added in a fixed order at the end.
#include "bvh_walk.h"

namespace gk::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kWalkThreads)
    wind(Bvh<T> tree, const T* moments, T beta2, int64_t count, const T* queries, const int32_t* order, T* winding) {
  const int64_t k = thread_index() / kBvhWidth;
  if (k >= count) return;
  const int64_t i = order[k];
  const Eight eight;
  const T q[3] = {queries[3 * i] * tree.scale, queries[3 * i + 1] * tree.scale, queries[3 * i + 2] * tree.scale};
  int32_t children[kBvhLevels];
  unsigned char left[kBvhLevels];  // the near children that have not been visited
  double sum = 0;
  int level = -1;
  for (int32_t node = 0;;) {
    if (node >= 0) {
      const Column<T> row = {moments + int64_t(node) * kMomentRows * kBvhWidth + eight.lane};
      const int32_t child = tree.children[kBvhWidth * int64_t(node) + eight.lane];
      const Vec3<T> r = from_place(three_rows(row, kCentre), q);
      const T r2 = dot(r, r);
      const bool far = r2 > beta2 * row(kRadius2);
      if (far) sum += double(winding_series(row, r, r2)) * (0.25 / kPi);
      ++level, children[level] = child, left[level] = (unsigned char)(eight.which(!far && child != kNoChild));
    } else {
      sum += double(half_solid_angle(triangle_of(tree, ~node, eight.lane), q)) * (0.5 / kPi);
    }
    while (!left[level])
      if (level-- == 0) {
        sum = eight.sum(sum);
        if (eight.lane == 0) winding[i] = T(sum);
        return;
      }
    const unsigned near = left[level];
    left[level] = (unsigned char)(near & (near - 1));
    node = eight.from(__ffs(int(near)) - 1, children[level]);
  }
}

}  // namespace

template <class T>
void bvh_winding(const Bvh<T>& tree, const T* moments, T beta, int64_t count, const T* queries, const int32_t* order, T* winding) {
  const T beta2 = minimum(beta * beta, kLargest<T>);
  launch(wind<T>, blocks_for(count, kQueriesPerBlock), kWalkThreads, 0, tree, moments, beta2, count, queries, order, winding);
}

template void bvh_winding(const Bvh<float>&, const float*, float, int64_t, const float*, const int32_t*, float*);
template void bvh_winding(const Bvh<double>&, const double*, double, int64_t, const double*, const int32_t*, double*);

}  // namespace gk::cuda

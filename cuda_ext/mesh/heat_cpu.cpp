#include "heat.h"

#include <algorithm>

#include "../cpu/lanes.h"
#include "../cpu/parallel.h"

namespace gk {
namespace {

template <class T> GK_INLINE Lanes<T> load_first(const T* p, int64_t count) {
  if (count >= kLanes) return load(p);
  T values[kLanes] = {};
  std::copy_n(p, count, values);
  return load(values);
}
template <class T> GK_INLINE void add_first(T* p, const Lanes<T>& a, int64_t count) {
  if (count >= kLanes) return store(p, load(p) + a);
  T values[kLanes];
  store(values, a);
  for (int64_t i = 0; i < count; ++i) p[i] += values[i];
}

// Sixteen columns, the first of them at `heat` and `flow`, whose rows are `columns` apart.
template <class T>
GK_INLINE void flow_body(int64_t faces, int64_t columns, int64_t count, const int32_t* corners, const T* hats, const T* heat, T* flow) {
  using L = Lanes<T>;
  for (int64_t f = 0; f < faces; ++f) {
    const int32_t* c = corners + 3 * f;
    const T* hat = hats + 6 * f;
    L x = T(0), y = T(0);
    for (int i = 0; i < 3; ++i) {
      const L u = load_first(heat + columns * c[i], count);
      x = x + u * hat[2 * i], y = y + u * hat[2 * i + 1];
    }
    // Far from the source heat is so little that its square is not a number any more: scale before squaring.
    const L larger = maximum(absolute(x), absolute(y));
    const L inverse = select(larger > L(T(0)), L(T(1)) / larger, L(T(0)));
    x = x * inverse, y = y * inverse;
    const L length = square_root(x * x + y * y);
    const L unit = select(length > L(T(0)), L(T(1)) / length, L(T(0)));
    x = x * unit, y = y * unit;
    for (int i = 0; i < 3; ++i) add_first(flow + columns * c[i], x * hat[2 * i] + y * hat[2 * i + 1], count);
  }
}

GK_MULTIVERSION void flow_some(int64_t faces, int64_t columns, int64_t count, const int32_t* corners, const float* hats, const float* heat, float* flow) {
  flow_body(faces, columns, count, corners, hats, heat, flow);
}
GK_MULTIVERSION void flow_some(int64_t faces, int64_t columns, int64_t count, const int32_t* corners, const double* hats, const double* heat, double* flow) {
  flow_body(faces, columns, count, corners, hats, heat, flow);
}

}  // namespace

template <class T>
void heat_flow(int64_t vertices, int64_t faces, int64_t columns, const int32_t* corners, const T* hats, const T* heat, T* flow) {
  std::fill_n(flow, vertices * columns, T(0));
#pragma omp parallel for schedule(static) if (columns > kLanes && faces * columns > kParallelWork)
  for (int64_t first = 0; first < columns; first += kLanes)
    flow_some(faces, columns, std::min<int64_t>(kLanes, columns - first), corners, hats, heat + first, flow + first);
}

template void heat_flow(int64_t, int64_t, int64_t, const int32_t*, const float*, const float*, float*);
template void heat_flow(int64_t, int64_t, int64_t, const int32_t*, const double*, const double*, double*);

}  // namespace gk

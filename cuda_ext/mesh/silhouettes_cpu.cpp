#include "silhouettes.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "../cpu/parallel.h"
#include "silhouette_edges.h"

namespace gk {
namespace {

constexpr int64_t kBlock = 2048;  // edges that one task looks at

template <class T, class Visit> void each_crossing(const SilhouetteView<T>& view, int64_t edge, T side, const int64_t* face_ids, const T* depth, Visit visit) {
  for (const bool columns : {false, true}) {
    const Axes<T> axes(view, columns);
    const CrossedLines<T> lines = crossed_lines(view, axes, view.ends + 4 * edge, side);
    for (int64_t v = lines.first; v < lines.end; ++v) {
      const SeenCrossing<T> found = crossing_at(axes, lines, v, face_ids, depth);
      if (found.seen) visit(found);
    }
  }
}

// Calls visit(blend, axes, edge) for every crossing, in order.
template <class T, class Visit> int64_t each_blend(const SilhouetteView<T>& view, const int32_t* crossings, Visit visit) {
  for (const bool columns : {false, true}) {
    const Axes<T> axes(view, columns);
    const int32_t* codes = crossings + axes.map();
    for (int64_t i = 0; i < view.width * view.height; ++i) {
      if (!codes[i]) continue;
      if (!known_crossing(view, axes, codes[i], i)) return axes.map() + i;
      const Blend<T> blend = blend_of(view, axes, codes[i], i);
      if (blend.weight != 0) visit(blend, axes, int64_t(std::abs(codes[i])) - 1);
    }
  }
  return 2 * view.width * view.height;
}

}  // namespace

template <class T> int64_t crossings_scratch(const SilhouetteView<T>&) { return 0; }

template <class T> void find_crossings(const SilhouetteView<T>& view, const int64_t* face_ids, const T* depth, const CrossingsOutput& out) {
  const int64_t slots = 2 * view.width * view.height;
  std::vector<T> sides(view.edges);
  int64_t bad = view.edges;
#pragma omp parallel for schedule(static) reduction(min : bad) if (view.edges * 16 > kParallelWork)
  for (int64_t begin = 0; begin < view.edges; begin += kBlock)
    for (int64_t i = begin; i < std::min(view.edges, begin + kBlock); ++i) {
      if (known(view, view.ends + 4 * i)) sides[i] = silhouette_side(view, view.ends + 4 * i);
      else bad = std::min(bad, i);
    }
  *out.wrong = bad;
  if (bad < view.edges) return;
  std::fill_n(out.crossings, slots, 0);
  std::vector<T> best(slots);
  const auto each = [&](auto visit) {
    for (int64_t i = 0; i < view.edges; ++i)
      if (sides[i] != T(0))
        each_crossing(view, i, sides[i], face_ids, depth,
                      [&](const SeenCrossing<T>& found) { visit(found, found.inner_first ? int32_t(i + 1) : -int32_t(i + 1)); });
  };
  each([&](const SeenCrossing<T>& found, int32_t code) {
    if (out.crossings[found.slot] == 0 || found.depth < best[found.slot]) out.crossings[found.slot] = code, best[found.slot] = found.depth;
  });
  std::fill(best.begin(), best.end(), T(-1));
  each([&](const SeenCrossing<T>& found, int32_t code) {
    if ((out.crossings[found.slot] > 0) == found.inner_first && found.distance > best[found.slot])
      out.crossings[found.slot] = code, best[found.slot] = found.distance;
  });
}

template <class T>
void antialias(const SilhouetteView<T>& view, const int32_t* crossings, const T* image, int64_t channels, T* result, int64_t* wrong) {
  std::copy_n(image, view.width * view.height * channels, result);
  *wrong = each_blend(view, crossings, [&](const Blend<T>& blend, const Axes<T>&, int64_t) {
    for (int64_t c = 0; c < channels; ++c)
      result[channels * blend.changed + c] += std::fabs(blend.share) * (image[channels * blend.taken + c] - image[channels * blend.changed + c]);
  });
}

template <class T>
void antialias_backward(const SilhouetteView<T>& view, const int32_t* crossings, const T* image, int64_t channels, const T* result_bar,
                        T* image_bar, T* points_bar) {
  std::copy_n(result_bar, view.width * view.height * channels, image_bar);
  std::fill_n(points_bar, 3 * view.vertices, T(0));
  each_blend(view, crossings, [&](const Blend<T>& blend, const Axes<T>& axes, int64_t edge) {
    T distance_bar = 0;
    for (int64_t c = 0; c < channels; ++c) {
      const T bar = result_bar[channels * blend.changed + c];
      image_bar[channels * blend.taken + c] += std::fabs(blend.share) * bar;
      image_bar[channels * blend.changed + c] -= std::fabs(blend.share) * bar;
      distance_bar += bar * (image[channels * blend.in + c] - image[channels * blend.out + c]);
    }
    Vec3<T> a_bar, b_bar;
    blend_vjp(axes, blend, distance_bar, a_bar, b_bar);
    T *a = points_bar + 3 * view.ends[4 * edge], *b = points_bar + 3 * view.ends[4 * edge + 1];
    a[0] += a_bar.x, a[1] += a_bar.y, a[2] += a_bar.z;
    b[0] += b_bar.x, b[1] += b_bar.y, b[2] += b_bar.z;
  });
}

#define GK_INSTANTIATE(T)                                                                                                  \
  template int64_t crossings_scratch(const SilhouetteView<T>&);                                                            \
  template void find_crossings(const SilhouetteView<T>&, const int64_t*, const T*, const CrossingsOutput&);                \
  template void antialias(const SilhouetteView<T>&, const int32_t*, const T*, int64_t, T*, int64_t*);                      \
  template void antialias_backward(const SilhouetteView<T>&, const int32_t*, const T*, int64_t, const T*, T*, T*);
GK_INSTANTIATE(float)
GK_INSTANTIATE(double)
#undef GK_INSTANTIATE

}  // namespace gk

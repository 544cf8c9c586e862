// Crossings: a thread looks at an edge, and its warp follows together the few that are silhouettes. First the nearest
// crossing of each pair of pixels is found, then the outermost on that one's side; the offers may come in any order.
// Blending: a thread a pixel gathers from the four crossings around it, in the order in which the CPU adds them.
// Compiled without fused multiply-add: a crossing is on the same side of a pixel as on the CPU.
#include "../cuda/contest.h"
#include "../cuda/warp.h"
#include "pinhole.h"
#include "silhouette_edges.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;

enum Round { kNearest, kOutermost };

// The scratch: the surface's side of each edge, and two contests for the pairs of pixels. An id is twice the edge, plus
// one where the surface is on the first pixel's side.
template <class T> struct Rounds {
  T* sides;
  Contest<T> nearest, outermost;

  static int64_t side_words(int64_t edges) { return (edges * int64_t(sizeof(T)) + 7) / 8; }
  static int64_t words(int64_t edges, int64_t slots) { return side_words(edges) + 2 * Contest<T>::words(slots); }
  Rounds(int64_t* scratch, int64_t edges, int64_t slots)
      : sides(reinterpret_cast<T*>(scratch)), nearest(scratch + side_words(edges), slots),
        outermost(scratch + side_words(edges) + Contest<T>::words(slots), slots) {}
};

template <class T> __global__ void __launch_bounds__(kThreads) find_sides(SilhouetteView<T> view, T* sides, int64_t* wrong) {
  const int64_t edge = thread_index();
  if (edge >= view.edges) return;
  if (known(view, view.ends + 4 * edge)) sides[edge] = silhouette_side(view, view.ends + 4 * edge);
  else atomicMin(reinterpret_cast<Word*>(wrong), Word(edge));
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    follow_edges(SilhouetteView<T> given, const int64_t* face_ids, const T* depth, Rounds<T> rounds, Round round, int sweep) {
  const SilhouetteView<T> view = with_intrinsics(given);
  const int64_t mine = thread_index();
  const T my_side = mine < view.edges ? rounds.sides[mine] : T(0);
  for (unsigned waiting = __ballot_sync(kWholeWarp, my_side != T(0)); waiting; waiting &= waiting - 1) {
    const int lane = __ffs(waiting) - 1;
    const int64_t edge = mine - int(threadIdx.x % 32) + lane;
    const T side = __shfl_sync(kWholeWarp, my_side, lane);
    for (int columns = 0; columns < 2; ++columns) {
      const Axes<T> axes(view, columns != 0);
      const CrossedLines<T> lines = crossed_lines(view, axes, view.ends + 4 * edge, side);
      for (int64_t v = lines.first + threadIdx.x % 32; v < lines.end; v += 32) {
        const SeenCrossing<T> found = crossing_at(axes, lines, v, face_ids, depth);
        if (!found.seen) continue;
        const uint32_t id = 2 * uint32_t(edge) + found.inner_first;
        if (round == kNearest) {
          rounds.nearest.offer(sweep, found.slot, ~rank_of(found.depth), id);
          continue;
        }
        typename Contest<T>::Rank rank;
        uint32_t nearest;
        if (rounds.nearest.best(found.slot, rank, nearest) && (nearest & 1) == (id & 1))
          rounds.outermost.offer(sweep, found.slot, rank_of(found.distance), id);
      }
    }
  }
}

template <class T> __global__ void __launch_bounds__(kThreads) note_crossings(Rounds<T> rounds, int64_t slots, int32_t* crossings) {
  const int64_t slot = thread_index();
  if (slot >= slots) return;
  typename Contest<T>::Rank rank;
  uint32_t id;
  const bool any = rounds.outermost.best(slot, rank, id);
  const int32_t number = int32_t(id / 2) + 1;
  crossings[slot] = !any ? 0 : id & 1 ? number : -number;
}

// Visits the crossings with the pixels to the left, right, above and below.
template <class T, class Visit>
__device__ __forceinline__ void each_blend_around(const SilhouetteView<T>& view, const int32_t* crossings, int64_t pixel, int64_t* wrong, Visit visit) {
  for (int columns = 0; columns < 2; ++columns) {
    const Axes<T> axes(view, columns != 0);
    for (const int64_t first : {pixel - axes.step(), pixel}) {
      const int32_t code = first < 0 ? 0 : crossings[axes.map() + first];
      if (!code) continue;
      if (!known_crossing(view, axes, code, first)) {
        if (wrong) atomicMin(reinterpret_cast<Word*>(wrong), Word(axes.map() + first));
        continue;
      }
      const Blend<T> blend = blend_of(view, axes, code, first);
      if (blend.weight != T(0)) visit(blend, axes, code, axes.map() + first);
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    blend_pixels(SilhouetteView<T> given, const int32_t* crossings, const T* image, int64_t channels, T* result, int64_t* wrong) {
  const SilhouetteView<T> view = with_intrinsics(given);
  const int64_t pixel = thread_index();
  if (pixel >= view.width * view.height) return;
  for (int64_t c = 0; c < channels; ++c) result[channels * pixel + c] = image[channels * pixel + c];
  each_blend_around(view, crossings, pixel, wrong, [&](const Blend<T>& blend, const Axes<T>&, int32_t, int64_t) {
    if (blend.changed != pixel) return;
    for (int64_t c = 0; c < channels; ++c)
      result[channels * pixel + c] += fabs(blend.share) * (image[channels * blend.taken + c] - image[channels * pixel + c]);
  });
}

// A crossing's ends get theirs from the thread of its first pixel.
template <class T>
__global__ void __launch_bounds__(kThreads) pull_pixels(SilhouetteView<T> given, const int32_t* crossings, const T* image, int64_t channels,
                                                        const T* result_bar, T* image_bar, T* points_bar, T* rows) {
  const SilhouetteView<T> view = with_intrinsics(given);
  const int64_t pixel = thread_index(), pixels = view.width * view.height;
  if (pixel >= pixels) return;
  for (int64_t c = 0; c < channels; ++c) image_bar[channels * pixel + c] = result_bar[channels * pixel + c];
  if (rows)
    for (const int64_t slot : {pixel, pixels + pixel})
      for (int k = 0; k < 6; ++k) rows[6 * slot + k] = T(0);
  each_blend_around(view, crossings, pixel, nullptr, [&](const Blend<T>& blend, const Axes<T>& axes, int32_t code, int64_t slot) {
    const T share = blend.taken == pixel ? fabs(blend.share) : blend.changed == pixel ? -fabs(blend.share) : T(0);
    T distance_bar = 0;
    for (int64_t c = 0; c < channels; ++c) {
      const T bar = result_bar[channels * blend.changed + c];
      image_bar[channels * pixel + c] += share * bar;
      distance_bar += bar * (image[channels * blend.in + c] - image[channels * blend.out + c]);
    }
    if (slot - axes.map() != pixel) return;
    Vec3<T> bars[2];
    blend_vjp(axes, blend, distance_bar, bars[0], bars[1]);
    const int64_t* ends = view.ends + 4 * (int64_t(code > 0 ? code : -code) - 1);
    for (int k = 0; k < 2; ++k) {
      if (rows) {
        T* row = rows + 6 * slot + 3 * k;
        row[0] = bars[k].x, row[1] = bars[k].y, row[2] = bars[k].z;
      } else {
        T* row = points_bar + 3 * ends[k];
        atomicAdd(row, bars[k].x), atomicAdd(row + 1, bars[k].y), atomicAdd(row + 2, bars[k].z);
      }
    }
  });
}

}  // namespace

template <class T> int64_t crossings_scratch(const SilhouetteView<T>& view) { return Rounds<T>::words(view.edges, 2 * view.width * view.height); }

template <class T> void find_crossings(const SilhouetteView<T>& view, const int64_t* face_ids, const T* depth, const CrossingsOutput& out) {
  const int64_t slots = 2 * view.width * view.height;
  const unsigned blocks = blocks_for(view.edges, kThreads);
  const Rounds<T> rounds(out.scratch, view.edges, slots);
  launch(find_sides<T>, blocks, kThreads, 0, view, rounds.sides, out.wrong);
  for (const Round round : {kNearest, kOutermost})
    for (int sweep = 0; sweep < Contest<T>::kSweeps; ++sweep) launch(follow_edges<T>, blocks, kThreads, 0, view, face_ids, depth, rounds, round, sweep);
  launch(note_crossings<T>, blocks_for(slots, kThreads), kThreads, 0, rounds, slots, out.crossings);
}

template <class T>
void antialias(const SilhouetteView<T>& view, const int32_t* crossings, const T* image, int64_t channels, T* result, int64_t* wrong) {
  launch(blend_pixels<T>, blocks_for(view.width * view.height, kThreads), kThreads, 0, view, crossings, image, channels, result, wrong);
}
template <class T>
void antialias_backward(const SilhouetteView<T>& view, const int32_t* crossings, const T* image, int64_t channels, const T* result_bar, T* image_bar,
                        T* points_bar) {
  launch(pull_pixels<T>, blocks_for(view.width * view.height, kThreads), kThreads, 0, view, crossings, image, channels, result_bar, image_bar,
         points_bar, nullptr);
}
template <class T>
void antialias_rows(const SilhouetteView<T>& view, const int32_t* crossings, const T* image, int64_t channels, const T* result_bar, T* image_bar,
                    T* rows) {
  launch(pull_pixels<T>, blocks_for(view.width * view.height, kThreads), kThreads, 0, view, crossings, image, channels, result_bar, image_bar,
         nullptr, rows);
}

#define GK_INSTANTIATE(T)                                                                                              \
  template int64_t crossings_scratch(const SilhouetteView<T>&);                                                        \
  template void find_crossings(const SilhouetteView<T>&, const int64_t*, const T*, const CrossingsOutput&);            \
  template void antialias(const SilhouetteView<T>&, const int32_t*, const T*, int64_t, T*, int64_t*);                  \
  template void antialias_backward(const SilhouetteView<T>&, const int32_t*, const T*, int64_t, const T*, T*, T*);     \
  template void antialias_rows(const SilhouetteView<T>&, const int32_t*, const T*, int64_t, const T*, T*, T*);
GK_INSTANTIATE(float)
GK_INSTANTIATE(double)
#undef GK_INSTANTIATE

}  // namespace gk::cuda

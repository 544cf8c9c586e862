#include "fronts.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "../cpu/aligned.h"
#include "../cpu/lanes.h"
#include "../cpu/parallel.h"

namespace gk {
namespace {

// Vertices that are repeated until nothing changes before the front moves on.
constexpr int32_t kWindow = 256;
// A smaller change is not passed on: fronts err by a thousand times as much.
constexpr double kChange = 1e-6;

// The source in the plane that has the distances dp, dq from the ends of an edge P Q, along it from P and away from it.
// `sound` is positive where there is one.
template <class T> struct Seen { Lanes<T> along, away, sound; };
template <class T> GK_INLINE Seen<T> source_behind(const Lanes<T>& dp, const Lanes<T>& dq, T length, T half_inverse) {
  const Lanes<T> difference = minimum(maximum(dp - dq, Lanes<T>(-length)), Lanes<T>(length));
  const Lanes<T> along = difference * half_inverse * (dp + dq) + length * T(0.5);
  const Lanes<T> square = dp * dp - along * along;
  const Lanes<T> slack = minimum(dp - dq + length, dq - dp + length);
  const T rounding = length * length * T(1e-5);  // a source on the edge itself has a square of zero
  return {along, square_root(maximum(square, Lanes<T>(T(0)))), minimum(square + rounding, slack)};
}

// The squared length of the straight line from a source (x, y), y < 0, to p where it passes between a and b.
template <class T> struct Ray {
  Lanes<T> dx, dy, square, sound;
  GK_INLINE Ray(const Lanes<T>& x, const Lanes<T>& y, const T* shape, const Lanes<T>& before) {
    dx = shape[2] - x, dy = shape[3] - y;
    square = dx * dx + dy * dy;
    const Lanes<T> right_of_a = x * shape[3] - y * shape[2];
    sound = minimum(minimum(right_of_a, dy * shape[0] - right_of_a), before);
  }
};

template <class T> GK_INLINE Lanes<T> shorter(const Lanes<T>& best, const Lanes<T>& square, const Lanes<T>& sound) {
  return minimum(best, select(sound > Lanes<T>(T(0)), square, best));
}

// Squares of the distances of vertex p through all its corners, at most `best`.
template <class T> GK_INLINE Lanes<T> reach(const FrontCorners<T>& corners, int32_t p, const T* known, Lanes<T> best) {
  using L = Lanes<T>;
  for (int32_t c = corners.offsets[p]; c < corners.offsets[p + 1]; ++c) {
    const int32_t* ids = corners.ids + kFrontIds * int64_t(c);
    const T* s = corners.shapes + kFrontShape * int64_t(c);
    const L da = load(known + kLanes * int64_t(ids[0])), db = load(known + kLanes * int64_t(ids[1]));
    const L edge = minimum(da + s[4], db + s[5]);
    best = minimum(best, edge * edge);
    const Seen<T> near = source_behind(da, db, s[0], s[1]);
    const Ray<T> straight(near.along, -near.away, s, near.sound);
    best = shorter(best, straight.square, straight.sound);
    if (ids[2] < 0) continue;
    const L de = load(known + kLanes * int64_t(ids[2]));
    const Seen<T> left = source_behind(da, de, s[8], s[9]);
    L x = left.along * s[10] + left.away * s[11], y = left.along * s[11] - left.away * s[10];
    const Ray<T> by_left(x, y, s, minimum(left.sound, -y));
    best = shorter(best, by_left.square, minimum(by_left.sound, by_left.dy * (s[6] - x) - by_left.dx * (s[7] - y)));
    const Seen<T> right = source_behind(de, db, s[12], s[13]);
    x = right.along * s[14] + right.away * s[15] + s[6], y = right.along * s[15] - right.away * s[14] + s[7];
    const Ray<T> by_right(x, y, s, minimum(right.sound, -y));
    best = shorter(best, by_right.square, minimum(by_right.sound, by_right.dx * (s[7] - y) - by_right.dy * (s[6] - x)));
  }
  return best;
}

// What one thread needs for sixteen columns.
template <class T> struct Block {
  const FrontCorners<T>& corners;
  AlignedVector<T> known;               // (V, 16)
  std::vector<T> keys;                  // (V) length of the shortest way along edges from any seed
  std::vector<int32_t> order, rank;     // vertices by their keys
  std::vector<uint8_t> waiting;         // (V) by rank: something nearer has changed
  explicit Block(const FrontCorners<T>& c)
      : corners(c), known(kLanes * c.vertices), keys(c.vertices), rank(c.vertices), waiting(c.vertices) {}
};

// Vertices in the order of their distance along edges: the order in which fronts pass them, about.
template <class T> void sort_by_edges(const FrontSeeds<T>& seeds, int64_t first, int64_t last, Block<T>& block) {
  using Entry = std::pair<T, int32_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<Entry>> queue;
  std::fill(block.keys.begin(), block.keys.end(), T(kUnreached));
  std::fill(block.rank.begin(), block.rank.end(), -1);
  block.order.clear();
  const auto offer = [&](int32_t vertex, T key) {
    if (!(key < block.keys[vertex])) return;
    block.keys[vertex] = key;
    queue.push({key, vertex});
  };
  for (int64_t i = seeds.offsets[first]; i < seeds.offsets[last]; ++i) offer(seeds.seeds[i], seeds.starts[i]);
  while (!queue.empty()) {
    const auto [key, p] = queue.top();
    queue.pop();
    if (key > block.keys[p] || block.rank[p] >= 0) continue;
    block.rank[p] = int32_t(block.order.size());
    block.order.push_back(p);
    for (int32_t c = block.corners.offsets[p]; c < block.corners.offsets[p + 1]; ++c) {
      const int32_t* ids = block.corners.ids + kFrontIds * int64_t(c);
      const T* shape = block.corners.shapes + kFrontShape * int64_t(c);
      offer(ids[0], key + shape[4]), offer(ids[1], key + shape[5]);
    }
  }
}

// Marks the vertices that p, changed to `now` where `change` is positive, may bring nearer. A vertex that a front reaches
// through an acute angle lies further than both ends of the edge that it comes through.
template <class T> struct Marks { int32_t lowest; bool again; };
template <class T>
GK_INLINE void mark_around(Block<T>& block, int32_t at, int32_t start, const Lanes<T>& now, const Lanes<T>& change, Marks<T>& marks) {
  const int32_t p = block.order[at];
  for (int32_t c = block.corners.offsets[p]; c < block.corners.offsets[p + 1]; ++c) {
    const int32_t* ids = block.corners.ids + kFrontIds * int64_t(c);
    for (int k = 0; k < 3; ++k) {
      if (ids[k] < 0 || (k == 1 && !(ids[3] & kLastOfFan))) continue;
      const int32_t other = block.rank[ids[k]];
      if (block.waiting[other]) continue;
      if (!(ids[3] >> k & 1)) {
        const Lanes<T> behind = load(block.known.data() + kLanes * int64_t(ids[k])) - now;
        if (!(largest(minimum(behind, change)) > T(0))) continue;
      }
      block.waiting[other] = 1;
      if (other < start) marks.lowest = std::min(marks.lowest, other);
      else if (other <= at) marks.again = true;
    }
  }
}

template <class T> GK_INLINE void march_body(Block<T>& block) {
  const int32_t count = int32_t(block.order.size());
  T* known = block.known.data();
  // Passes over all vertices, window by window. Fronts from places that lie together are done in two or three passes.
  for (int32_t pass = 0; pass < count;) {
    Marks<T> marks = {count, false};
    for (int32_t start = pass; start < count; start += kWindow) {
      const int32_t end = std::min(start + kWindow, count);
      do {
        marks.again = false;
        for (int32_t at = start; at < end; ++at) {
          if (!block.waiting[at]) continue;
          block.waiting[at] = 0;
          T* place = known + kLanes * int64_t(block.order[at]);
          const Lanes<T> before = load(place);
          const Lanes<T> now = square_root(reach(block.corners, block.order[at], known, before * before));
          const Lanes<T> change = before * T(1 - kChange) - now;
          if (!(largest(change) > T(0))) continue;
          const Lanes<T> kept = minimum(now, before);
          store(place, kept);
          mark_around(block, at, start, kept, change, marks);
        }
      } while (marks.again);
    }
    pass = marks.lowest;
  }
}

GK_MULTIVERSION void march_block(Block<float>& block) { march_body(block); }
GK_MULTIVERSION void march_block(Block<double>& block) { march_body(block); }

template <class T> void seed_block(const FrontSeeds<T>& seeds, int64_t first, int64_t last, Block<T>& block) {
  std::fill(block.known.begin(), block.known.end(), T(kUnreached));
  std::fill(block.waiting.begin(), block.waiting.end(), 0);
  for (int64_t column = first; column < last; ++column)
    for (int64_t i = seeds.offsets[column]; i < seeds.offsets[column + 1]; ++i) {
      T& value = block.known[kLanes * int64_t(seeds.seeds[i]) + (column - first)];
      value = std::min(value, seeds.starts[i]);
    }
  for (int64_t i = seeds.offsets[first]; i < seeds.offsets[last]; ++i)
    for (int32_t c = block.corners.offsets[seeds.seeds[i]]; c < block.corners.offsets[seeds.seeds[i] + 1]; ++c)
      for (int k = 0; k < 3; ++k) {
        const int32_t other = block.corners.ids[kFrontIds * int64_t(c) + k];
        if (other >= 0) block.waiting[block.rank[other]] = 1;
      }
}

}  // namespace

template <class T> void march_fronts(const FrontCorners<T>& corners, const FrontSeeds<T>& seeds, T* distances) {
  const int64_t count = corners.vertices, blocks = (seeds.columns + kLanes - 1) / kLanes;
#pragma omp parallel if (blocks > 1 && count * seeds.columns > kParallelWork)
  {
    Block<T> block(corners);
#pragma omp for schedule(dynamic)
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t first = b * kLanes, last = std::min(first + kLanes, seeds.columns);
      sort_by_edges(seeds, first, last, block);
      seed_block(seeds, first, last, block);
      march_block(block);
      for (int64_t column = first; column < last; ++column)
        for (int64_t v = 0; v < count; ++v) distances[column * count + v] = block.known[kLanes * v + column - first];
    }
  }
}

template void march_fronts(const FrontCorners<float>&, const FrontSeeds<float>&, float*);
template void march_fronts(const FrontCorners<double>&, const FrontSeeds<double>&, double*);

}  // namespace gk

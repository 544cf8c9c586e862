#include "fronts.h"

#include <algorithm>
#include <cstring>
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
// Fewer columns than this walk alone, and so do columns of which one starts further from the first than this, in edges
// of mean length: then each needs an order of its own.
constexpr int64_t kFewest = 4;
constexpr double kTogether = 12;
// How often a vertex is computed on average before the march counts as endless; ten times is much.
constexpr int64_t kMostVisits = 1000;

// A column walks alone (V = T) or sixteen walk together (V = Lanes<T>).
template <class T> GK_INLINE T largest(T a) { return a; }
template <class V, class T> GK_INLINE V value_at(const T* known, int64_t vertex) {
  V value;
  std::memcpy(&value, known + int64_t(sizeof(V) / sizeof(T)) * vertex, sizeof(V));
  return value;
}

// The source in the plane that has the distances dp, dq from the ends of an edge P Q, along it from P and away from it.
// `sound` is positive where there is one.
template <class V> struct Seen { V along, away, sound; };
template <class V, class T> GK_INLINE Seen<V> source_behind(const V& dp, const V& dq, T length, T half_inverse) {
  const V difference = minimum(maximum(dp - dq, V(-length)), V(length));
  const V along = difference * half_inverse * (dp + dq) + length * T(0.5);
  const V square = dp * dp - along * along;
  const V slack = minimum(dp - dq + length, dq - dp + length);
  const T rounding = length * length * T(1e-5);  // a source on the edge itself has a square of zero
  return {along, square_root(maximum(square, V(T(0)))), minimum(square + rounding, slack)};
}

// The squared length of the straight line from a source (x, y), y < 0, to p where it passes between a and b.
template <class V, class T> struct Ray {
  V dx, dy, square, sound;
  GK_INLINE Ray(const V& x, const V& y, const T* shape, const V& before) {
    dx = shape[2] - x, dy = shape[3] - y;
    square = dx * dx + dy * dy;
    const V right_of_a = x * shape[3] - y * shape[2];
    sound = minimum(minimum(right_of_a, dy * shape[0] - right_of_a), before);
  }
};

template <class V> GK_INLINE V shorter(const V& best, const V& square, const V& sound) {
  return minimum(best, select(sound > V(0), square, best));
}

// Squares of the distances of vertex p through all its corners, at most `best`.
template <class V, class T> GK_INLINE V reach(const FrontCorners<T>& corners, int32_t p, const T* known, V best) {
  for (int32_t c = corners.offsets[p]; c < corners.offsets[p + 1]; ++c) {
    const int32_t* ids = corners.ids + kFrontIds * int64_t(c);
    const T* s = corners.shapes + kFrontShape * int64_t(c);
    const V da = value_at<V>(known, ids[0]), db = value_at<V>(known, ids[1]);
    const V edge = minimum(da + s[4], db + s[5]);
    best = minimum(best, edge * edge);
    // A way through the place x of the edge is at least as long up to x as to the nearer end, less |ab| / 2.
    const V least = maximum(minimum(da, db) - T(0.5) * s[0] + s[3], V(0));
    if (!(largest(best - least * least) > T(0))) continue;
    const Seen<V> near = source_behind<V, T>(da, db, s[0], s[1]);
    const Ray<V, T> straight(near.along, -near.away, s, near.sound);
    best = shorter(best, straight.square, straight.sound);
    if (ids[2] < 0) continue;
    const V de = value_at<V>(known, ids[2]);
    const Seen<V> left = source_behind<V, T>(da, de, s[8], s[9]);
    V x = left.along * s[10] + left.away * s[11], y = left.along * s[11] - left.away * s[10];
    const Ray<V, T> by_left(x, y, s, minimum(left.sound, -y));
    best = shorter(best, by_left.square, minimum(by_left.sound, by_left.dy * (s[6] - x) - by_left.dx * (s[7] - y)));
    const Seen<V> right = source_behind<V, T>(de, db, s[12], s[13]);
    x = right.along * s[14] + right.away * s[15] + s[6], y = right.along * s[15] - right.away * s[14] + s[7];
    const Ray<V, T> by_right(x, y, s, minimum(right.sound, -y));
    best = shorter(best, by_right.square, minimum(by_right.sound, by_right.dx * (s[7] - y) - by_right.dy * (s[6] - x)));
  }
  return best;
}

// What one thread needs for up to sixteen columns.
template <class T> struct Block {
  const FrontCorners<T>& corners;
  AlignedVector<T> known;               // (V, 16), or (V) for a column that walks alone
  std::vector<T> keys;                  // (V) length of the shortest way along edges from any seed
  std::vector<int32_t> order, rank;     // vertices by their keys
  std::vector<uint8_t> waiting;         // (V) by rank: something nearer has changed
  explicit Block(const FrontCorners<T>& c)
      : corners(c), known(kLanes * c.vertices), keys(c.vertices), rank(c.vertices), waiting(c.vertices) {}
};

// Vertices in the order of their distance along edges, at most `furthest`: the order in which fronts pass them, about.
template <class T> void sort_by_edges(const FrontSeeds<T>& seeds, int64_t first, int64_t last, T furthest, Block<T>& block) {
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
    if (key > furthest) break;
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
struct Marks { int32_t lowest; bool again; };
template <class V, class T>
GK_INLINE void mark_around(Block<T>& block, int32_t at, int32_t start, const V& now, const V& change, Marks& marks) {
  const int32_t p = block.order[at];
  for (int32_t c = block.corners.offsets[p]; c < block.corners.offsets[p + 1]; ++c) {
    const int32_t* ids = block.corners.ids + kFrontIds * int64_t(c);
    for (int k = 0; k < 3; ++k) {
      if (ids[k] < 0 || (k == 1 && !(ids[3] & kLastOfFan))) continue;
      const int32_t other = block.rank[ids[k]];
      if (block.waiting[other]) continue;
      if (!(ids[3] >> k & 1)) {
        const V behind = value_at<V>(block.known.data(), ids[k]) - now;
        if (!(largest(minimum(behind, change)) > T(0))) continue;
      }
      block.waiting[other] = 1;
      if (other < start) marks.lowest = std::min(marks.lowest, other);
      else if (other <= at) marks.again = true;
    }
  }
}

// False where it does not end.
template <class V, class T> GK_INLINE bool march_body(Block<T>& block) {
  constexpr int64_t width = sizeof(V) / sizeof(T);
  const int32_t count = int32_t(block.order.size());
  T* known = block.known.data();
  int64_t visits = kMostVisits * count;
  // Passes over all vertices, window by window. Fronts from places that lie together are done in two or three passes.
  for (int32_t pass = 0; pass < count;) {
    Marks marks = {count, false};
    for (int32_t start = pass; start < count; start += kWindow) {
      const int32_t end = std::min(start + kWindow, count);
      do {
        marks.again = false;
        for (int32_t at = start; at < end; ++at) {
          if (!block.waiting[at]) continue;
          block.waiting[at] = 0;
          if (--visits < 0) return false;
          const V before = value_at<V>(known, block.order[at]);
          const V now = square_root(reach<V, T>(block.corners, block.order[at], known, before * before));
          const V change = before * T(1 - kChange) - now;
          if (!(largest(change) > T(0))) continue;
          const V kept = minimum(now, before);
          std::memcpy(known + width * block.order[at], &kept, sizeof(V));
          mark_around<V, T>(block, at, start, kept, change, marks);
        }
      } while (marks.again);
    }
    pass = marks.lowest;
  }
  return true;
}

GK_MULTIVERSION bool march_block(Block<float>& block) { return march_body<Lanes<float>, float>(block); }
GK_MULTIVERSION bool march_block(Block<double>& block) { return march_body<Lanes<double>, double>(block); }
template <class T> bool march_alone(Block<T>& block) { return march_body<T, T>(block); }

template <class T> void seed_block(const FrontSeeds<T>& seeds, int64_t first, int64_t last, int64_t width, Block<T>& block) {
  std::fill_n(block.known.begin(), width * block.corners.vertices, T(kUnreached));
  std::fill(block.waiting.begin(), block.waiting.end(), 0);
  for (int64_t column = first; column < last; ++column)
    for (int64_t i = seeds.offsets[column]; i < seeds.offsets[column + 1]; ++i) {
      T& value = block.known[width * int64_t(seeds.seeds[i]) + (column - first)];
      value = std::min(value, seeds.starts[i]);
    }
  for (int64_t i = seeds.offsets[first]; i < seeds.offsets[last]; ++i)
    for (int32_t c = block.corners.offsets[seeds.seeds[i]]; c < block.corners.offsets[seeds.seeds[i] + 1]; ++c)
      for (int k = 0; k < 3; ++k) {
        const int32_t other = block.corners.ids[kFrontIds * int64_t(c) + k];
        if (other >= 0) block.waiting[block.rank[other]] = 1;
      }
}

// Columns first to last with `width` lanes, into distances (K, V).
template <class T> bool march_columns(const FrontSeeds<T>& seeds, int64_t first, int64_t last, int64_t width, Block<T>& block, T* distances) {
  const int64_t count = block.corners.vertices;
  sort_by_edges(seeds, first, last, T(kUnreached), block);
  seed_block(seeds, first, last, width, block);
  if (!(width == 1 ? march_alone(block) : march_block(block))) return false;
  for (int64_t column = first; column < last; ++column)
    for (int64_t v = 0; v < count; ++v) distances[column * count + v] = block.known[width * v + column - first];
  return true;
}

template <class T> bool start_together(const FrontSeeds<T>& seeds, int64_t first, int64_t last, Block<T>& block) {
  if (last - first < kFewest) return false;
  sort_by_edges(seeds, first, first + 1, T(kTogether), block);
  for (int64_t i = seeds.offsets[first]; i < seeds.offsets[last]; ++i)
    if (block.rank[seeds.seeds[i]] < 0) return false;
  return true;
}

}  // namespace

template <class T> bool march_fronts(const FrontCorners<T>& corners, const FrontSeeds<T>& seeds, T* distances) {
  const int64_t count = corners.vertices, blocks = (seeds.columns + kLanes - 1) / kLanes;
  bool sound = true;
#pragma omp parallel if (blocks > 1 && count * seeds.columns > kParallelWork) reduction(&& : sound)
  {
    Block<T> block(corners);
#pragma omp for schedule(dynamic)
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t first = b * kLanes, last = std::min(first + kLanes, seeds.columns);
      if (start_together(seeds, first, last, block)) {
        sound = march_columns(seeds, first, last, kLanes, block, distances) && sound;
      } else {
        for (int64_t column = first; column < last; ++column)
          sound = march_columns(seeds, column, column + 1, 1, block, distances) && sound;
      }
    }
  }
  return sound;
}

template bool march_fronts(const FrontCorners<float>&, const FrontSeeds<float>&, float*);
template bool march_fronts(const FrontCorners<double>&, const FrontSeeds<double>&, double*);

}  // namespace gk

#include "farthest.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "../cpu/aligned.h"
#include "tree_lanes.h"

namespace gk {
namespace {

// Sixteen squared distances to the nearest chosen point, of points or of the farthest points of children, and the indices
// of these points. Unused lanes are below every distance.
template <class T> struct Farthest {
  T d2[kLanes];
  int32_t ids[kLanes];
};

template <class T> struct Peak {
  T d2;
  int32_t id;
};

// The farthest of sixteen, of the lowest index among equals.
template <class T> GK_INLINE Peak<T> peak(const Lanes<T>& d2, const int32_t* ids, const Lanes<T>& bits) {
  const T top = largest(d2);
  int32_t id = std::numeric_limits<int32_t>::max();
  for (uint32_t equal = bits_of(d2 >= Lanes<T>(top), bits); equal; equal &= equal - 1)
    id = std::min(id, ids[__builtin_ctz(equal)]);
  return {top, id};
}

// A node whose children changed, and the place of its own peak in its parent.
struct Visited {
  int32_t node, parent, lane;
};

template <class T> struct Sampling {
  const PointTree<T>& tree;
  AlignedVector<T> leaves;              // (leaves, 16) squared distances
  AlignedVector<Farthest<T>> nodes;
  AlignedVector<Visited> visited;
};

// Brings all distances up to date after a point was chosen and returns the farthest. Children whose farthest point is
// nearer to an old choice than their box is to the new one are left out.
template <class T> GK_INLINE Peak<T> choose(Sampling<T>& s, const T* q) {
  const PointTree<T>& tree = s.tree;
  const Lanes<T> bits = bit_values<T>();
  int64_t count = 1;
  s.visited[0] = {0, -1, 0};
  for (int64_t i = 0; i < count; ++i) {
    const int32_t node = s.visited[i].node, begin = tree.children[2 * node];
    Farthest<T>& far = s.nodes[node];
    const Lanes<T> to_boxes = distance_to_boxes(tree.boxes + int64_t(node) * 6 * kLanes, q);
    uint32_t hits = bits_of(to_boxes < load(far.d2), bits);
    for (; hits; hits &= hits - 1) {
      const int lane = __builtin_ctz(hits);
      const int64_t child = begin + lane;
      if (node < tree.sizes.bottom) {
        s.visited[count++] = {int32_t(child), node, lane};
        continue;
      }
      T* d2 = s.leaves.data() + child * kLanes;
      const Lanes<T> nearest = minimum(load(d2), distance_to_points(tree.leaf_points + child * 3 * kLanes, q));
      store(d2, nearest);
      const Peak<T> top = peak(nearest, tree.leaf_ids + child * kLanes, bits);
      far.d2[lane] = top.d2, far.ids[lane] = top.id;
    }
  }
  for (int64_t i = count - 1;; --i) {
    const Visited v = s.visited[i];
    const Peak<T> top = peak(load(s.nodes[v.node].d2), s.nodes[v.node].ids, bits);
    if (!i) return top;
    s.nodes[v.parent].d2[v.lane] = top.d2, s.nodes[v.parent].ids[v.lane] = top.id;
  }
}

// Stops early, returning how many were chosen, when only duplicates of chosen points are left.
template <class T> GK_INLINE int64_t choose_all(Sampling<T>& s, const T* points, int64_t count, int64_t* chosen) {
  for (int64_t i = 1; i < count; ++i) {
    const Peak<T> next = choose(s, points + 3 * chosen[i - 1]);
    if (!(next.d2 > T(0))) return i;
    chosen[i] = next.id;
  }
  return count;
}

GK_MULTIVERSION int64_t run(Sampling<float>& s, const float* points, int64_t count, int64_t* chosen) {
  return choose_all(s, points, count, chosen);
}
GK_MULTIVERSION int64_t run(Sampling<double>& s, const double* points, int64_t count, int64_t* chosen) {
  return choose_all(s, points, count, chosen);
}

}  // namespace

template <class T> void farthest(const PointTree<T>& tree, const T* points, int64_t start, int64_t count, int64_t* chosen) {
  const T unused = T(-1), unreached = std::numeric_limits<T>::infinity();
  Sampling<T> s = {tree, AlignedVector<T>(tree.sizes.leaves * kLanes), AlignedVector<Farthest<T>>(tree.sizes.nodes),
                   AlignedVector<Visited>(tree.sizes.nodes)};
  for (size_t i = 0; i < s.leaves.size(); ++i)
    s.leaves[i] = tree.leaf_ids[i] == kNone ? unused : unreached;
  for (int64_t node = 0; node < tree.sizes.nodes; ++node) {
    const int used = tree.children[2 * node + 1] - tree.children[2 * node];
    for (int lane = 0; lane < kLanes; ++lane) s.nodes[node].d2[lane] = lane < used ? unreached : unused;
  }
  chosen[0] = start;
  const int64_t apart = run(s, points, count, chosen);
  if (apart == count) return;
  std::vector<bool> taken(tree.points);
  for (int64_t i = 0; i < apart; ++i) taken[chosen[i]] = true;
  for (int64_t i = apart, next = 0; i < count; ++next)
    if (!taken[next]) chosen[i++] = next;
}

template void farthest(const PointTree<float>&, const float*, int64_t, int64_t, int64_t*);
template void farthest(const PointTree<double>&, const double*, int64_t, int64_t, int64_t*);

}  // namespace gk

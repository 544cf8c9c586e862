#include "tree.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "../cpu/aligned.h"
#include "../cpu/multiversion.h"
#include "../cpu/parallel.h"

namespace gk {
namespace {

constexpr int64_t kTaskPoints = 1 << 14;  // fewer points are not worth a task

struct Range { int64_t begin, end; };

// The nodes' ranges of leaves, level by level from the root, each node having the fewest children that suffice and these
// sharing its leaves evenly.
struct Plan {
  std::vector<Range> nodes;     // ranges of leaves
  std::vector<Range> children;  // nodes, or leaves for the nodes at the bottom
  int64_t bottom = 0, leaves = 0;
};

Plan plan_tree(int64_t points) {
  Plan plan;
  plan.leaves = (points + kTreeWidth - 1) / kTreeWidth;
  if (!plan.leaves) return plan;
  int64_t below = 1;  // leaves that a child can hold
  while (below * kTreeWidth < plan.leaves) below *= kTreeWidth;
  plan.nodes.push_back({0, plan.leaves});
  for (int64_t level = 0, end = 1;; below /= kTreeWidth) {
    int64_t next = below > 1 ? end : 0;
    for (int64_t i = level; i < end; ++i) {
      const Range node = plan.nodes[i];
      const int64_t size = node.end - node.begin, count = (size + below - 1) / below;
      plan.children.push_back({next, next + count});
      next += count;
      for (int64_t c = 0; below > 1 && c < count; ++c)
        plan.nodes.push_back({node.begin + c * size / count, node.begin + (c + 1) * size / count});
    }
    if (below == 1) {
      plan.bottom = level;
      return plan;
    }
    level = end, end = int64_t(plan.nodes.size());
  }
}

template <class T> struct Item {
  T at[3];
  int32_t id;
};

template <class T> struct Box {
  T low[3], high[3];
  int32_t first_id;
};

template <class T> Box<T> bounds(const Item<T>* items, int64_t count) {
  Box<T> box;
  for (int a = 0; a < 3; ++a) box.low[a] = box.high[a] = items[0].at[a];
  box.first_id = items[0].id;
  for (int64_t i = 1; i < count; ++i) {
    for (int a = 0; a < 3; ++a) {
      box.low[a] = std::min(box.low[a], items[i].at[a]);
      box.high[a] = std::max(box.high[a], items[i].at[a]);
    }
    box.first_id = std::min(box.first_id, items[i].id);
  }
  return box;
}

template <class T> class Builder {
 public:
  Builder(const T* points, int64_t count, const PointTreeOutput<T>& out)
      : plan_(plan_tree(count)), count_(count), items_(count), out_(out) {
    for (int64_t i = 0; i < count; ++i) items_[i] = {{points[3 * i], points[3 * i + 1], points[3 * i + 2]}, int32_t(i)};
  }

  void run() {
    const int64_t nodes = int64_t(plan_.nodes.size());
    std::fill_n(out_.boxes, nodes * 6 * kTreeWidth, std::numeric_limits<T>::infinity());
    std::fill_n(out_.first_ids, nodes * kTreeWidth, std::numeric_limits<int32_t>::max());
    for (int64_t i = 0; i < nodes; ++i) {
      out_.children[2 * i] = int32_t(plan_.children[i].begin);
      out_.children[2 * i + 1] = int32_t(plan_.children[i].end);
    }
    if (!nodes) return;
#pragma omp parallel if (count_ > kTaskPoints)
#pragma omp single
    split(0, plan_.children[0], false);
  }

 private:
  // The first point below a child of a node (its count is that of the first point after the node).
  int64_t first_point(int64_t node, int64_t child) const {
    const Range leaves = plan_.nodes[node], children = plan_.children[node];
    const int64_t leaf =
        leaves.begin + (child - children.begin) * (leaves.end - leaves.begin) / (children.end - children.begin);
    return leaf * count_ / plan_.leaves;
  }

  // Splits the points below some children of a node at the widest side of their box, half of the children to each side,
  // until one child remains. Points at one place are put in order of index instead, so that a search among equal
  // distances finds the lowest indices first.
  void split(int64_t node, Range children, bool equal) {
    const int64_t begin = first_point(node, children.begin), end = first_point(node, children.end);
    Item<T>* items = items_.data();
    const Box<T> box = bounds(items + begin, end - begin);
    int axis = 0;
    for (int a = 1; a < 3; ++a)
      if (box.high[a] - box.low[a] > box.high[axis] - box.low[axis]) axis = a;
    if (!equal && box.high[axis] == box.low[axis]) {
      std::sort(items + begin, items + end, [](const Item<T>& p, const Item<T>& q) { return p.id < q.id; });
      equal = true;
    }
    if (children.end - children.begin == 1) {
      write_box(node, children.begin, box);
      if (node >= plan_.bottom) return write_leaf(children.begin, begin, end);
      return split(children.begin, plan_.children[children.begin], equal);
    }
    const int64_t middle = (children.begin + children.end) / 2;
    if (!equal)
      std::nth_element(items + begin, items + first_point(node, middle), items + end,
                       [axis](const Item<T>& p, const Item<T>& q) { return p.at[axis] < q.at[axis]; });
#pragma omp task if (end - begin > kTaskPoints)
    split(node, {children.begin, middle}, equal);
    split(node, {middle, children.end}, equal);
  }

  void write_box(int64_t node, int64_t child, const Box<T>& box) {
    const int64_t lane = child - plan_.children[node].begin;
    T* boxes = out_.boxes + node * 6 * kTreeWidth + lane;
    for (int a = 0; a < 3; ++a) boxes[a * kTreeWidth] = box.low[a], boxes[(a + 3) * kTreeWidth] = box.high[a];
    out_.first_ids[node * kTreeWidth + lane] = box.first_id;
  }

  void write_leaf(int64_t leaf, int64_t begin, int64_t end) {
    T* points = out_.leaf_points + leaf * 3 * kTreeWidth;
    int32_t* ids = out_.leaf_ids + leaf * kTreeWidth;
    for (int64_t lane = 0; lane < kTreeWidth; ++lane) {
      const bool used = begin + lane < end;
      for (int a = 0; a < 3; ++a)
        points[a * kTreeWidth + lane] = used ? items_[begin + lane].at[a] : std::numeric_limits<T>::infinity();
      ids[lane] = used ? items_[begin + lane].id : std::numeric_limits<int32_t>::max();
    }
  }

  const Plan plan_;
  const int64_t count_;
  AlignedVector<Item<T>> items_;
  const PointTreeOutput<T> out_;
};

}  // namespace

TreeSizes tree_sizes(int64_t points) {
  const Plan plan = plan_tree(points);
  return {plan.leaves, int64_t(plan.nodes.size()), plan.bottom};
}

template <class T> void tree_build(const T* points, int64_t count, const PointTreeOutput<T>& out) {
  Builder<T>(points, count, out).run();
}

template void tree_build(const float*, int64_t, const PointTreeOutput<float>&);
template void tree_build(const double*, int64_t, const PointTreeOutput<double>&);

}  // namespace gk

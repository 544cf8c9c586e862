#include "symbolic.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace gk {
namespace {

using Ints = std::vector<int32_t>;

Ints inverse_of(const int32_t* permutation, int64_t n) {
  Ints inverse(n);
  for (int64_t k = 0; k < n; ++k) inverse[permutation[k]] = int32_t(k);
  return inverse;
}

// Calls visit(i) for the entries of column k of the permuted matrix.
template <class F> void for_column(const SparsePattern& a, const int32_t* permutation, const Ints& inverse, int64_t k, const F& visit) {
  const int64_t row = permutation[k];
  for (int64_t e = a.offsets[row]; e < a.offsets[row + 1]; ++e) visit(inverse[a.columns[e]]);
}

// The elimination tree (Liu 1990), with shortcuts to the roots of finished subtrees.
Ints elimination_tree(const SparsePattern& a, const int32_t* permutation, const Ints& inverse) {
  Ints parent(a.size, -1), shortcut(a.size, -1);
  for (int32_t k = 0; k < a.size; ++k)
    for_column(a, permutation, inverse, k, [&](int32_t i) {
      while (i >= 0 && i < k) {
        const int32_t up = shortcut[i];
        shortcut[i] = k;
        if (up < 0) parent[i] = k;
        i = up;
      }
    });
  return parent;
}

// Children before parents, subtrees contiguous, and of all children of a node that of the most entries last.
Ints postorder(const Ints& parent, const Ints& counts) {
  const int32_t n = int32_t(parent.size());
  Ints child(n, -1), sibling(n, -1), result, stack, by_count(n);
  std::iota(by_count.begin(), by_count.end(), 0);
  std::stable_sort(by_count.begin(), by_count.end(), [&](int32_t x, int32_t y) { return counts[x] > counts[y]; });
  for (const int32_t i : by_count)
    if (parent[i] >= 0) sibling[i] = child[parent[i]], child[parent[i]] = i;
  result.reserve(n);
  for (int32_t root = 0; root < n; ++root) {
    if (parent[root] >= 0) continue;
    stack.assign(1, root);
    while (!stack.empty()) {
      const int32_t i = stack.back(), c = child[i];
      if (c >= 0) {
        child[i] = sibling[c];
        stack.push_back(c);
      } else {
        stack.pop_back();
        result.push_back(i);
      }
    }
  }
  return result;
}

// Entries of every column of the factor, diagonal included. Needs a tree in postorder.
Ints column_counts(const SparsePattern& a, const int32_t* permutation, const Ints& inverse, const Ints& parent) {
  const int32_t n = int32_t(a.size);
  Ints counts(n, 0), first(n), deepest(n, -1), previous_leaf(n, -1), ancestor(n);
  std::iota(first.begin(), first.end(), 0);
  std::iota(ancestor.begin(), ancestor.end(), 0);
  for (int32_t j = 0; j < n; ++j) {
    if (first[j] == j) ++counts[j];  // a leaf
    if (parent[j] >= 0) first[parent[j]] = std::min(first[parent[j]], first[j]);
  }
  for (int32_t j = 0; j < n; ++j) {
    if (parent[j] >= 0) --counts[parent[j]];
    for_column(a, permutation, inverse, j, [&](int32_t i) {
      if (i <= j || first[j] <= deepest[i]) return;
      deepest[i] = first[j];
      const int32_t before = previous_leaf[i];
      previous_leaf[i] = j, ++counts[j];
      if (before < 0) return;
      int32_t common = before;
      while (ancestor[common] != common) common = ancestor[common];
      for (int32_t s = before; s != common;) {
        const int32_t up = ancestor[s];
        ancestor[s] = common;
        s = up;
      }
      --counts[common];
    });
    if (parent[j] >= 0) ancestor[j] = parent[j];
  }
  for (int32_t j = 0; j < n; ++j)
    if (parent[j] >= 0) counts[parent[j]] += counts[j];
  return counts;
}

struct Node {
  int32_t begin, columns, height;  // height: rows of the panel, those of the diagonal block included
  int64_t zeros;                   // entries of the panel's trapezoid that are known to be zero
};

int64_t trapezoid(int64_t columns, int64_t height) { return columns * height - columns * (columns - 1) / 2; }

// Zeros are the price of fewer and wider panels; how many are worth it was tried on few meshes only.
bool worth_merging(int64_t columns, int64_t zeros, int64_t entries) {
  if (columns <= 4) return true;
  const double share = double(zeros) / double(entries);
  return share < (columns <= 16 ? 0.25 : columns <= 48 ? 0.1 : 0.05);
}

std::vector<Node> find_supernodes(const Ints& parent, const Ints& counts) {
  const int32_t n = int32_t(parent.size());
  Ints children(n, 0);
  for (int32_t j = 0; j < n; ++j)
    if (parent[j] >= 0) ++children[parent[j]];
  std::vector<Node> nodes;
  for (int32_t j = 0; j < n; ++j) {
    const bool continues = j && parent[j - 1] == j && counts[j - 1] == counts[j] + 1 && children[j] == 1;
    if (continues) ++nodes.back().columns;
    else nodes.push_back({j, 1, counts[j], 0});
    // A supernode is whole when its last column is; then it may take in the child that ends where it begins.
    const bool whole = j + 1 == n || !(parent[j] == j + 1 && counts[j] == counts[j + 1] + 1 && children[j + 1] == 1);
    while (whole && nodes.size() > 1) {
      const Node &top = nodes.back(), &child = nodes[nodes.size() - 2];
      const int32_t above = parent[top.begin - 1];
      if (above < top.begin || above >= top.begin + top.columns) break;
      const Node merged = {child.begin, child.columns + top.columns, top.height + child.columns, 0};
      const int64_t entries = trapezoid(merged.columns, merged.height);
      const int64_t used = trapezoid(top.columns, top.height) - top.zeros + trapezoid(child.columns, child.height) - child.zeros;
      if (!worth_merging(merged.columns, entries - used, entries)) break;
      nodes.pop_back();
      nodes.back() = merged;
      nodes.back().zeros = entries - used;
    }
  }
  return nodes;
}

}  // namespace

int64_t symbolic_plan(const SparsePattern& a, const int32_t* order, const SupernodesOutput& out) {
  const int64_t n = a.size;
  Ints inverse = inverse_of(order, n);
  Ints parent = elimination_tree(a, order, inverse);
  std::copy(order, order + n, out.permutation);
  Ints counts(n, 0);
  for (int pass = 0; pass < 2; ++pass) {  // counts need a postorder; the final one sorts children by their counts
    const Ints post = postorder(parent, counts);
    const Ints place = inverse_of(post.data(), n), old(out.permutation, out.permutation + n), old_parent = parent, old_counts = counts;
    for (int64_t k = 0; k < n; ++k) {
      out.permutation[k] = old[post[k]];
      parent[k] = old_parent[post[k]] < 0 ? -1 : place[old_parent[post[k]]];
      counts[k] = old_counts[post[k]];
    }
    inverse = inverse_of(out.permutation, n);
    if (pass == 0) counts = column_counts(a, out.permutation, inverse, parent);
  }
  const std::vector<Node> nodes = find_supernodes(parent, counts);
  const int64_t count = int64_t(nodes.size());
  Ints node_of(n);
  for (int64_t s = 0; s < count; ++s) std::fill_n(node_of.begin() + nodes[s].begin, nodes[s].columns, int32_t(s));
  out.row_begin[0] = out.value_begin[0] = 0;
  for (int64_t s = 0; s < count; ++s) {
    const Node& node = nodes[s];
    const int32_t above = parent[node.begin + node.columns - 1];
    out.first[s] = node.begin;
    out.parent[s] = above < 0 ? -1 : node_of[above];
    out.row_begin[s + 1] = out.row_begin[s] + node.height - node.columns;
    out.value_begin[s + 1] = out.value_begin[s] + int64_t(node.height) * node.columns;
  }
  out.first[count] = int32_t(n);
  return count;
}

void symbolic_fill(const SparsePattern& a, const Supernodes& plan, int32_t* rows) {
  const Ints inverse = inverse_of(plan.permutation, plan.size);
  Ints mark(plan.size, -1), child(plan.count, -1), sibling(plan.count, -1);
  for (int32_t s = 0; s < plan.count; ++s) {
    const int32_t end = plan.first[s + 1];
    int32_t *begin = rows + plan.row_begin[s], *next = begin;
    const auto take = [&](int32_t i) {
      if (i >= end && mark[i] != s) mark[i] = s, *next++ = i;
    };
    for (int32_t k = plan.first[s]; k < end; ++k) for_column(a, plan.permutation, inverse, k, take);
    for (int32_t c = child[s]; c >= 0; c = sibling[c])
      for (int64_t r = plan.row_begin[c]; r < plan.row_begin[c + 1]; ++r) take(rows[r]);
    std::sort(begin, next);
    if (plan.parent[s] >= 0) sibling[s] = child[plan.parent[s]], child[plan.parent[s]] = s;
  }
}

}  // namespace gk

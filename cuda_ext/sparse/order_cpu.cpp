#include "order.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace gk {
namespace {

// The quotient graph: what is left of the matrix as variables, not yet eliminated, and elements, the cliques that
// eliminated variables left behind. Variables with equal neighbourhoods are one, of the weight of both.
class QuotientGraph {
 public:
  explicit QuotientGraph(const SparsePattern& a);
  void eliminate_all();
  void write(int32_t* order) const;

 private:
  void link(int32_t i);
  void unlink(int32_t i);
  int32_t cheapest();
  void eliminate(int32_t p);
  void gather(int32_t p);
  void count_outside(int32_t p);
  void update_degrees(int32_t p);
  void merge_equal();
  bool is_marked(int32_t j) const;
  void finish(int32_t p);
  void make_room(int64_t more);

  const int32_t n_;
  int32_t left_, least_ = 0;
  int64_t stamp_ = 1;
  std::vector<int32_t> pool_;               // neighbour lists: elements first, then variables
  std::vector<int64_t> start_, outside_;    // outside_: stamp + weight of an element's variables outside the pivot's
  std::vector<int32_t> length_, elements_;  // entries of a list, and how many of them are elements
  std::vector<int32_t> weight_;             // variables: > 0, negative while in the pivot's element, 0 when merged
  std::vector<int32_t> degree_, next_, previous_, head_;
  std::vector<int32_t> owner_;              // whom a merged variable belongs to, or -1
  std::vector<char> is_element_, dead_;
  std::vector<int32_t> pivots_, dense_, kept_;
  std::vector<std::pair<uint32_t, int32_t>> hashes_;
  int32_t pivot_weight_ = 0, pivot_degree_ = 0;
};

QuotientGraph::QuotientGraph(const SparsePattern& a)
    : n_(int32_t(a.size)), left_(n_), start_(n_), outside_(n_, 0), length_(n_, 0), elements_(n_, 0), weight_(n_, 1), degree_(n_, 0),
      next_(n_, -1), previous_(n_, -1), head_(n_ + 1, -1), owner_(n_, -1), is_element_(n_, 0), dead_(n_, 0) {
  // A row that touches a great part of the matrix would make every step slow; eliminated last it costs little.
  const int64_t many = std::max<int64_t>(16, int64_t(10 * std::sqrt(double(n_))));
  for (int32_t i = 0; i < n_; ++i)
    if (a.offsets[i + 1] - a.offsets[i] > many) weight_[i] = 0, dense_.push_back(i), --left_;
  pool_.reserve(a.offsets[n_] + 2 * int64_t(n_));
  for (int32_t i = 0; i < n_; ++i) {
    start_[i] = int64_t(pool_.size());
    if (weight_[i])
      for (int64_t e = a.offsets[i]; e < a.offsets[i + 1]; ++e)
        if (a.columns[e] != i && weight_[a.columns[e]]) pool_.push_back(int32_t(a.columns[e]));
    length_[i] = degree_[i] = int32_t(int64_t(pool_.size()) - start_[i]);
  }
  for (int32_t i = n_ - 1; i >= 0; --i)
    if (weight_[i]) link(i);
}

void QuotientGraph::link(int32_t i) {
  const int32_t d = degree_[i];
  next_[i] = head_[d], previous_[i] = -1;
  if (head_[d] >= 0) previous_[head_[d]] = i;
  head_[d] = i;
  least_ = std::min(least_, d);
}

void QuotientGraph::unlink(int32_t i) {
  if (previous_[i] >= 0) next_[previous_[i]] = next_[i];
  else head_[degree_[i]] = next_[i];
  if (next_[i] >= 0) previous_[next_[i]] = previous_[i];
}

int32_t QuotientGraph::cheapest() {
  while (head_[least_] < 0) ++least_;
  return head_[least_];
}

void QuotientGraph::eliminate_all() {
  while (left_ > 0) eliminate(cheapest());
}

void QuotientGraph::eliminate(int32_t p) {
  unlink(p);
  pivot_weight_ = weight_[p], pivot_degree_ = 0;
  make_room(degree_[p]);
  gather(p);
  count_outside(p);
  update_degrees(p);
  merge_equal();
  finish(p);
}

// The lists of live variables and elements moved together, when the pool is full.
void QuotientGraph::make_room(int64_t more) {
  if (int64_t(pool_.size()) + more <= int64_t(pool_.capacity())) return;
  std::vector<int32_t> fresh;
  fresh.reserve(pool_.capacity());
  for (int32_t i = 0; i < n_; ++i) {
    if (is_element_[i] ? dead_[i] : !weight_[i]) continue;
    const auto begin = pool_.begin() + start_[i];
    start_[i] = int64_t(fresh.size());
    fresh.insert(fresh.end(), begin, begin + length_[i]);
  }
  pool_.swap(fresh);
}

// The pivot becomes the element of all variables that it touches, directly or through elements, which it replaces.
void QuotientGraph::gather(int32_t p) {
  weight_[p] = -weight_[p];  // not a variable of its own element
  const int64_t begin = start_[p], first = int64_t(pool_.size());
  const auto take = [&](int32_t i) {
    if (weight_[i] <= 0) return;
    unlink(i);
    pivot_degree_ += weight_[i];
    weight_[i] = -weight_[i];
    pool_.push_back(i);
  };
  for (int32_t k = 0; k < length_[p]; ++k) {
    const int32_t other = pool_[begin + k];
    if (k >= elements_[p]) {
      take(other);
      continue;
    }
    for (int32_t m = 0; m < length_[other]; ++m) take(pool_[start_[other] + m]);
    dead_[other] = 1;
  }
  start_[p] = first, length_[p] = int32_t(int64_t(pool_.size()) - first), elements_[p] = 0;
  is_element_[p] = 1;
}

void QuotientGraph::count_outside(int32_t p) {
  stamp_ += n_ + 1;
  for (int32_t k = 0; k < length_[p]; ++k) {
    const int32_t i = pool_[start_[p] + k], w = -weight_[i];
    for (int32_t m = 0; m < elements_[i]; ++m) {
      const int32_t e = pool_[start_[i] + m];
      if (dead_[e]) continue;
      if (outside_[e] < stamp_) outside_[e] = stamp_ + degree_[e];
      outside_[e] -= w;
    }
  }
}

void QuotientGraph::update_degrees(int32_t p) {
  hashes_.clear();
  for (int32_t k = 0; k < length_[p]; ++k) {
    const int32_t i = pool_[start_[p] + k];
    int32_t* list = pool_.data() + start_[i];
    kept_.assign(1, p);
    int64_t degree = 0;
    uint32_t hash = uint32_t(p);
    for (int32_t m = 0; m < elements_[i]; ++m) {
      const int32_t e = list[m];
      if (dead_[e]) continue;
      if (outside_[e] == stamp_) {  // the pivot's element holds all of it
        dead_[e] = 1;
        continue;
      }
      degree += outside_[e] - stamp_;
      kept_.push_back(e), hash += uint32_t(e);
    }
    const int32_t elements = int32_t(kept_.size());
    for (int32_t m = elements_[i]; m < length_[i]; ++m) {
      const int32_t j = list[m];
      if (weight_[j] <= 0) continue;
      degree += weight_[j];
      kept_.push_back(j), hash += uint32_t(j);
    }
    if (degree == 0) {  // no neighbours outside the element: eliminated with the pivot at no cost
      pivot_weight_ -= weight_[i], pivot_degree_ += weight_[i];
      weight_[i] = 0, owner_[i] = p;
      continue;
    }
    std::copy(kept_.begin(), kept_.end(), list);
    elements_[i] = elements, length_[i] = int32_t(kept_.size());
    degree_[i] = int32_t(std::min<int64_t>(degree_[i], degree));
    hashes_.push_back({hash, i});
  }
}

void QuotientGraph::merge_equal() {
  std::sort(hashes_.begin(), hashes_.end());
  for (size_t a = 0; a < hashes_.size(); ++a) {
    const int32_t i = hashes_[a].second;
    if (!weight_[i]) continue;
    bool marked = false;
    for (size_t b = a + 1; b < hashes_.size() && hashes_[b].first == hashes_[a].first; ++b) {
      const int32_t j = hashes_[b].second;
      if (!weight_[j] || length_[j] != length_[i] || elements_[j] != elements_[i]) continue;
      if (!marked) {
        stamp_ += n_ + 1, marked = true;
        for (int32_t m = 0; m < length_[i]; ++m) outside_[pool_[start_[i] + m]] = stamp_;
      }
      if (!is_marked(j)) continue;
      weight_[i] += weight_[j];
      weight_[j] = 0, owner_[j] = i;
    }
  }
}

bool QuotientGraph::is_marked(int32_t j) const {
  for (int32_t m = 0; m < length_[j]; ++m)
    if (outside_[pool_[start_[j] + m]] != stamp_) return false;
  return true;
}

void QuotientGraph::finish(int32_t p) {
  left_ -= pivot_weight_;
  int32_t kept = 0;
  for (int32_t k = 0; k < length_[p]; ++k) {
    const int32_t i = pool_[start_[p] + k], w = -weight_[i];
    if (!w) continue;
    weight_[i] = w;
    degree_[i] = std::min(degree_[i] + pivot_degree_ - w, left_ - w);
    link(i);
    pool_[start_[p] + kept++] = i;
  }
  length_[p] = kept, degree_[p] = pivot_degree_;
  dead_[p] = kept == 0;
  weight_[p] = 0;
  pivots_.push_back(p);
}

void QuotientGraph::write(int32_t* order) const {
  std::vector<int32_t> child(n_, -1), sibling(n_, -1), stack;
  for (int32_t i = n_ - 1; i >= 0; --i)
    if (owner_[i] >= 0) sibling[i] = child[owner_[i]], child[owner_[i]] = i;
  for (const int32_t p : pivots_) {
    stack.assign(1, p);
    while (!stack.empty()) {
      const int32_t i = stack.back();
      stack.pop_back();
      *order++ = i;
      for (int32_t c = child[i]; c >= 0; c = sibling[c]) stack.push_back(c);
    }
  }
  std::copy(dense_.begin(), dense_.end(), order);
}

}  // namespace

void minimum_degree(const SparsePattern& a, int32_t* order) {
  QuotientGraph graph(a);
  graph.eliminate_all();
  graph.write(order);
}

}  // namespace gk

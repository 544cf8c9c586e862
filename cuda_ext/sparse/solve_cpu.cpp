#include "solve.h"

#include <algorithm>

#include "../cpu/aligned.h"
#include "../cpu/lanes.h"
#include "../cpu/parallel.h"

namespace gk {
namespace {

constexpr int kRows = 4;

// sums[r] = the sum over k of factors[r * across + k * along] x[k], x being rows of kLanes values at x(k).
template <int R, class T, class X>
GK_INLINE void combine(Lanes<T>* sums, const T* factors, int64_t across, int64_t along, int64_t depth, const X& x) {
  for (int r = 0; r < R; ++r) sums[r] = Lanes<T>(T(0));
  for (int64_t k = 0; k < depth; ++k) {
    const Lanes<T> value = load(x(k));
    for (int r = 0; r < R; ++r) sums[r] = sums[r] + value * factors[r * across + k * along];
  }
}

template <class T> struct SolveJob {
  const Supernodes& plan;
  const T* values;
  const T* signs;
  T* x;  // (N, kLanes), in the order of the permuted matrix
};

// L y = x within the diagonal block, for R rows from row i, then x[row] -= L y for R rows below.
template <int R, class T> GK_INLINE void forward_own(const T* panel, int64_t height, int64_t i, T* own) {
  Lanes<T> sums[R];
  combine<R>(sums, panel + i, 1, height, i, [&](int64_t k) { return own + k * kLanes; });
  for (int r = 0; r < R; ++r) {
    Lanes<T> value = load(own + (i + r) * kLanes) - sums[r];
    for (int q = 0; q < r; ++q) value = value - load(own + (i + q) * kLanes) * panel[(i + q) * height + i + r];
    store(own + (i + r) * kLanes, value * panel[(i + r) * height + i + r]);
  }
}
template <int R, class T>
GK_INLINE void forward_below(const T* panel, int64_t height, int64_t columns, int64_t i, const T* own, const int32_t* rows, T* x) {
  Lanes<T> sums[R];
  combine<R>(sums, panel + columns + i, 1, height, columns, [&](int64_t k) { return own + k * kLanes; });
  for (int r = 0; r < R; ++r) {
    T* target = x + int64_t(rows[i + r]) * kLanes;
    store(target, load(target) - sums[r]);
  }
}

template <class T> GK_INLINE void forward(const SolveJob<T>& job) {
  const Supernodes& plan = job.plan;
  for (int64_t s = 0; s < plan.count; ++s) {
    const int64_t columns = plan.first[s + 1] - plan.first[s], below = plan.row_begin[s + 1] - plan.row_begin[s];
    const int64_t height = columns + below;
    const int32_t* rows = plan.rows + plan.row_begin[s];
    const T* panel = job.values + plan.value_begin[s];
    T* own = job.x + int64_t(plan.first[s]) * kLanes;
    int64_t i = 0;
    for (; i + kRows <= columns; i += kRows) forward_own<kRows>(panel, height, i, own);
    for (; i < columns; ++i) forward_own<1>(panel, height, i, own);
    for (i = 0; i + kRows <= below; i += kRows) forward_below<kRows>(panel, height, columns, i, own, rows, job.x);
    for (; i < below; ++i) forward_below<1>(panel, height, columns, i, own, rows, job.x);
  }
}

// L^T y = D x for R columns from column i of the diagonal block, everything below being known.
template <int R, class T>
GK_INLINE void backward_own(const T* panel, int64_t height, int64_t columns, int64_t i, const T* signs, T* own, const int32_t* rows, const T* x) {
  Lanes<T> later[R], below[R];
  combine<R>(later, panel + i * height + i + R, height, 1, columns - i - R, [&](int64_t k) { return own + (i + R + k) * kLanes; });
  combine<R>(below, panel + i * height + columns, height, 1, height - columns, [&](int64_t k) { return x + int64_t(rows[k]) * kLanes; });
  for (int r = R - 1; r >= 0; --r) {
    Lanes<T> value = load(own + (i + r) * kLanes) * signs[i + r] - (later[r] + below[r]);
    for (int q = r + 1; q < R; ++q) value = value - load(own + (i + q) * kLanes) * panel[(i + r) * height + i + q];
    store(own + (i + r) * kLanes, value * panel[(i + r) * height + i + r]);
  }
}

template <class T> GK_INLINE void backward(const SolveJob<T>& job) {
  const Supernodes& plan = job.plan;
  for (int64_t s = plan.count - 1; s >= 0; --s) {
    const int64_t columns = plan.first[s + 1] - plan.first[s], height = columns + plan.row_begin[s + 1] - plan.row_begin[s];
    const int32_t* rows = plan.rows + plan.row_begin[s];
    const T *panel = job.values + plan.value_begin[s], *signs = job.signs + plan.first[s];
    T* own = job.x + int64_t(plan.first[s]) * kLanes;
    int64_t i = columns;
    for (; i % kRows; --i) backward_own<1>(panel, height, columns, i - 1, signs, own, rows, job.x);
    for (; i; i -= kRows) backward_own<kRows>(panel, height, columns, i - kRows, signs, own, rows, job.x);
  }
}

GK_MULTIVERSION void run(const SolveJob<float>& job) { forward(job), backward(job); }
GK_MULTIVERSION void run(const SolveJob<double>& job) { forward(job), backward(job); }

}  // namespace

template <class T>
void solve(const Supernodes& plan, const T* values, const T* signs, const T* right, const ColumnLayout& layout, T* solution) {
  const int64_t blocks = (layout.columns + kLanes - 1) / kLanes;
#pragma omp parallel for schedule(dynamic, 1) if (blocks > 1 && plan.value_begin[plan.count] * layout.columns > kParallelWork)
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t first = block * kLanes, width = std::min<int64_t>(kLanes, layout.columns - first), step = layout.column_stride;
    AlignedVector<T> x(plan.size * kLanes);
    for (int64_t k = 0; k < plan.size; ++k) {
      const T* from = right + plan.permutation[k] * layout.row_stride + first * step;
      T* to = x.data() + k * kLanes;
      for (int64_t c = 0; c < width; ++c) to[c] = from[c * step];
      std::fill(to + width, to + kLanes, T(0));
    }
    run(SolveJob<T>{plan, values, signs, x.data()});
    for (int64_t k = 0; k < plan.size; ++k) {
      T* to = solution + plan.permutation[k] * layout.row_stride + first * step;
      for (int64_t c = 0; c < width; ++c) to[c * step] = x[k * kLanes + c];
    }
  }
}

template void solve(const Supernodes&, const float*, const float*, const float*, const ColumnLayout&, float*);
template void solve(const Supernodes&, const double*, const double*, const double*, const ColumnLayout&, double*);

}  // namespace gk

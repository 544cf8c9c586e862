#include "factor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "../cpu/aligned.h"
#include "../cpu/lanes.h"

namespace gk {
namespace {

constexpr int64_t kStrip = 4;  // columns of a tile; its rows are kLanes

// C[:, 0:width] -= A B^T for `rows` rows of C and A, both column by column; B holds `depth` groups of four values.
template <class T>
GK_INLINE void subtract_strip(T* c, int64_t stride_c, int64_t width, const T* a, int64_t stride_a, int64_t rows, const T* b, int64_t depth) {
  for (int64_t i = 0; i < rows; i += kLanes) {
    Lanes<T> s0(T(0)), s1(T(0)), s2(T(0)), s3(T(0));
    const T* column = a + i;
    for (int64_t k = 0; k < depth; ++k, column += stride_a) {
      const Lanes<T> x = load(column);
      const T* f = b + kStrip * k;
      s0 = s0 + x * f[0], s1 = s1 + x * f[1], s2 = s2 + x * f[2], s3 = s3 + x * f[3];
    }
    const Lanes<T> sums[kStrip] = {s0, s1, s2, s3};
    if (i + kLanes <= rows) {
      for (int64_t j = 0; j < width; ++j) store(c + j * stride_c + i, load(c + j * stride_c + i) - sums[j]);
    } else {
      T rest[kLanes];
      for (int64_t j = 0; j < width; ++j) {
        store(rest, sums[j]);
        for (int64_t r = i; r < rows; ++r) c[j * stride_c + r] -= rest[r - i];
      }
    }
  }
}

// The rows `row` to `row + width` of `depth` columns as groups of four, times D.
template <class T> GK_INLINE void pack_rows(const T* panel, int64_t stride, int64_t row, int64_t width, int64_t depth, const T* signs, T* packed) {
  for (int64_t k = 0; k < depth; ++k)
    for (int64_t j = 0; j < kStrip; ++j) packed[kStrip * k + j] = j < width ? panel[k * stride + row + j] * signs[k] : T(0);
}

template <class T> struct Front {
  int64_t columns, height;  // of the panel
  T* panel;                 // (columns, height)
  T* update;                // (height - columns, height - columns), its lower triangle
  T *signs, *packed;        // (columns,), (4 columns,)
  bool definite;
};

// Factors the panel and subtracts its outer product from the update. Returns the column that stopped it, or -1.
template <class T> GK_INLINE int64_t factor_front(const Front<T>& f) {
  const int64_t n = f.columns, height = f.height, below = height - n;
  for (int64_t j0 = 0; j0 < n; j0 += kStrip) {
    const int64_t width = std::min(kStrip, n - j0);
    if (j0) {
      pack_rows(f.panel, height, j0, width, j0, f.signs, f.packed);
      subtract_strip(f.panel + j0 * height + j0, height, width, f.panel + j0, height, height - j0, f.packed, j0);
    }
    for (int64_t j = j0; j < j0 + width; ++j) {
      T* column = f.panel + j * height;
      for (int64_t k = j0; k < j; ++k) {
        const T* left = f.panel + k * height;
        const T scale = left[j] * f.signs[k];
        for (int64_t i = j; i < height; ++i) column[i] -= left[i] * scale;
      }
      const T pivot = column[j];
      if (!(std::isfinite(pivot) && (f.definite ? pivot > T(0) : pivot != T(0)))) return j;
      f.signs[j] = pivot > T(0) ? T(1) : T(-1);
      const T inverse = T(1) / std::sqrt(std::abs(pivot)), scale = inverse * f.signs[j];
      for (int64_t i = j + 1; i < height; ++i) column[i] *= scale;
      column[j] = inverse;
    }
  }
  for (int64_t j = 0; j < below; j += kStrip) {
    const int64_t width = std::min(kStrip, below - j);
    pack_rows(f.panel, height, n + j, width, n, f.signs, f.packed);
    subtract_strip(f.update + j * below + j, below, width, f.panel + n + j, height, below - j, f.packed, n);
  }
  return -1;
}

GK_MULTIVERSION int64_t run(const Front<float>& f) { return factor_front(f); }
GK_MULTIVERSION int64_t run(const Front<double>& f) { return factor_front(f); }

template <class T> struct Factorization {
  const FactorInput<T>& in;
  T* values;
  T* signs;
  std::vector<int32_t> inverse, place, relative;
  std::vector<int32_t> child, sibling;
  std::vector<AlignedVector<T>> updates;  // of supernodes whose parent is still to come
  AlignedVector<T> packed;

  FactorResult run_all();
  void assemble(int32_t s);
  void add_child(int32_t s, int32_t c);
};

// The entries of the matrix in the columns of supernode s.
template <class T> void Factorization<T>::assemble(int32_t s) {
  const Supernodes& plan = in.plan;
  const int64_t begin = plan.first[s], columns = plan.first[s + 1] - begin, below = plan.row_begin[s + 1] - plan.row_begin[s];
  const int64_t height = columns + below;
  const int32_t* rows = plan.rows + plan.row_begin[s];
  for (int64_t i = 0; i < columns; ++i) place[begin + i] = int32_t(i);
  for (int64_t i = 0; i < below; ++i) place[rows[i]] = int32_t(columns + i);
  T* panel = values + plan.value_begin[s];
  std::fill_n(panel, columns * height, T(0));
  for (int64_t j = 0; j < columns; ++j) {
    const int64_t row = plan.permutation[begin + j];
    for (int64_t e = in.pattern.offsets[row]; e < in.pattern.offsets[row + 1]; ++e) {
      const int32_t i = inverse[in.pattern.columns[e]];
      if (i >= begin + j) panel[j * height + place[i]] += in.entries[e];
    }
  }
  updates[s] = AlignedVector<T>(below * below + (below ? kFactorPadding : 0), T(0));
}

template <class T> void Factorization<T>::add_child(int32_t s, int32_t c) {
  const Supernodes& plan = in.plan;
  const int64_t columns = plan.first[s + 1] - plan.first[s], below = plan.row_begin[s + 1] - plan.row_begin[s];
  const int64_t size = plan.row_begin[c + 1] - plan.row_begin[c], height = columns + below;
  const int32_t* rows = plan.rows + plan.row_begin[c];
  for (int64_t i = 0; i < size; ++i) relative[i] = place[rows[i]];
  T *panel = values + plan.value_begin[s], *update = updates[s].data();
  const T* source = updates[c].data();
  for (int64_t j = 0; j < size; ++j, source += size) {
    const int32_t to = relative[j];
    if (to < columns) {
      T* target = panel + to * height;
      for (int64_t i = j; i < size; ++i) target[relative[i]] += source[i];
    } else {
      T* target = update + (to - columns) * below - columns;
      for (int64_t i = j; i < size; ++i) target[relative[i]] += source[i];
    }
  }
  updates[c] = AlignedVector<T>();
}

template <class T> FactorResult Factorization<T>::run_all() {
  const Supernodes& plan = in.plan;
  FactorResult result = {-1, 0, 0};
  for (int32_t s = 0; s < plan.count; ++s) {
    const int64_t begin = plan.first[s], columns = plan.first[s + 1] - begin, below = plan.row_begin[s + 1] - plan.row_begin[s];
    assemble(s);
    for (int32_t c = child[s]; c >= 0; c = sibling[c]) add_child(s, c);
    packed.resize(std::max<size_t>(packed.size(), kStrip * columns));
    const Front<T> front = {columns, columns + below, values + plan.value_begin[s], updates[s].data(), signs + begin, packed.data(), in.definite};
    const int64_t failed = run(front);
    if (failed >= 0) {
      result.failed = begin + failed;
      result.pivot = double(front.panel[failed * front.height + failed]);
      return result;
    }
    const int32_t up = plan.parent[s];
    if (up >= 0) sibling[s] = child[up], child[up] = s;
  }
  for (int64_t k = 0; k < plan.size; ++k) result.negative += signs[k] < T(0);
  return result;
}

}  // namespace

template <class T> FactorResult factor(const FactorInput<T>& in, T* values, T* signs) {
  const int64_t n = in.plan.size, count = in.plan.count;
  std::fill_n(values + in.plan.value_begin[count], kFactorPadding, T(0));
  Factorization<T> f = {in, values, signs, std::vector<int32_t>(n), std::vector<int32_t>(n), std::vector<int32_t>(n),
                        std::vector<int32_t>(count, -1), std::vector<int32_t>(count, -1), std::vector<AlignedVector<T>>(count), {}};
  for (int64_t k = 0; k < n; ++k) f.inverse[in.plan.permutation[k]] = int32_t(k);
  return f.run_all();
}

template FactorResult factor(const FactorInput<float>&, float*, float*);
template FactorResult factor(const FactorInput<double>&, double*, double*);

}  // namespace gk

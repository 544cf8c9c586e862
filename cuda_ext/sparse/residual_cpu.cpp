#include "residual.h"

#include <algorithm>
#include <vector>

#include "../cpu/multiversion.h"
#include "../cpu/parallel.h"

namespace gk {
namespace {

constexpr int64_t kRows = 2048;  // summed together; the sums of these groups are added in order

template <class T> GK_INLINE void sum_rows(const ResidualInput<T>& in, int64_t begin, int64_t end, T* row, T* squares) {
  const int64_t k = in.count;
  for (int64_t i = begin; i < end; ++i) {
    std::fill_n(row, k, T(0));
    for (int64_t e = in.pattern.offsets[i]; e < in.pattern.offsets[i + 1]; ++e) {
      const T* x = in.functions + in.pattern.columns[e] * k;
      const T entry = in.entries[e];
      for (int64_t c = 0; c < k; ++c) row[c] += entry * x[c];
    }
    const T* x = in.functions + i * k;
    const T mass = in.masses[i];
    for (int64_t c = 0; c < k; ++c) {
      const T weighted = mass * x[c], off = row[c] - weighted * in.values[c];
      squares[c] += off * off;
      squares[k + c] += weighted * weighted;
    }
  }
}

GK_MULTIVERSION void run(const ResidualInput<float>& in, int64_t begin, int64_t end, float* row, float* squares) {
  sum_rows(in, begin, end, row, squares);
}
GK_MULTIVERSION void run(const ResidualInput<double>& in, int64_t begin, int64_t end, double* row, double* squares) {
  sum_rows(in, begin, end, row, squares);
}

}  // namespace

template <class T> void residual_squares(const ResidualInput<T>& in, T* squares) {
  const int64_t n = in.pattern.size, k = in.count, groups = (n + kRows - 1) / kRows;
  std::vector<T> sums(groups * 2 * k, T(0));
#pragma omp parallel for schedule(dynamic, 1) if (in.pattern.offsets[n] * k > kParallelWork)
  for (int64_t g = 0; g < groups; ++g) {
    std::vector<T> row(k);
    run(in, g * kRows, std::min(n, (g + 1) * kRows), row.data(), sums.data() + g * 2 * k);
  }
  std::fill_n(squares, 2 * k, T(0));
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t c = 0; c < 2 * k; ++c) squares[c] += sums[g * 2 * k + c];
}

template void residual_squares(const ResidualInput<float>&, float*);
template void residual_squares(const ResidualInput<double>&, double*);

}  // namespace gk

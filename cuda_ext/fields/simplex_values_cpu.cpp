#include "simplex_values.h"

#include <algorithm>
#include <cmath>

#include "../graph/registers.h"
#include "../math/exponential_differences.h"

namespace gk {
namespace {

// As many values as a register of this machine holds, with the vocabulary of math/scalar.h.
template <class T, int Bytes> struct Wide {
  using R = Register<T, Bytes>;
  typename R::Vector v;
  Wide() = default;
  GK_INLINE Wide(T s) : v(s - typename R::Vector{}) {}
  GK_INLINE explicit Wide(typename R::Vector raw, int) : v(raw) {}
};
#define GK_WIDE template <class T, int B> GK_INLINE Wide<T, B>
GK_WIDE operator+(const Wide<T, B>& a, const Wide<T, B>& b) { return Wide<T, B>(a.v + b.v, 0); }
GK_WIDE operator-(const Wide<T, B>& a, const Wide<T, B>& b) { return Wide<T, B>(a.v - b.v, 0); }
GK_WIDE operator*(const Wide<T, B>& a, const Wide<T, B>& b) { return Wide<T, B>(a.v * b.v, 0); }
GK_WIDE operator+(const Wide<T, B>& a, T b) { return Wide<T, B>(a.v + b, 0); }
GK_WIDE operator*(const Wide<T, B>& a, T b) { return Wide<T, B>(a.v * b, 0); }
GK_WIDE operator/(T a, const Wide<T, B>& b) { return Wide<T, B>(a / b.v, 0); }
GK_WIDE operator-(const Wide<T, B>& a) { return Wide<T, B>(-a.v, 0); }
GK_WIDE minimum(const Wide<T, B>& a, const Wide<T, B>& b) { return Wide<T, B>(a.v < b.v ? a.v : b.v, 0); }
GK_WIDE maximum(const Wide<T, B>& a, const Wide<T, B>& b) { return Wide<T, B>(a.v > b.v ? a.v : b.v, 0); }
#undef GK_WIDE
// A comparison, to be used once, by select.
template <class T, int B> struct Below { Wide<T, B> a, b; };
template <class T, int B> GK_INLINE Below<T, B> operator<(const Wide<T, B>& a, const Wide<T, B>& b) { return {a, b}; }
template <class T, int B> GK_INLINE Wide<T, B> select(const Below<T, B>& m, const Wide<T, B>& yes, const Wide<T, B>& no) {
  return Wide<T, B>(m.a.v < m.b.v ? yes.v : no.v, 0);
}

// Distances are linear along a grid's row: what holds at both ends of a block and on one side holds between.
template <int J, int Width, class T> GK_INLINE Reach reach_of(const PhaseRow<T>& row, int begin) {
  if (!row.linear || sizeof(T) == 8) return Reach::kMixed;
  constexpr T near = T(1.9999), beyond = T(2.0001);  // 2 but for rounding
  bool close = true, far = true;
  for (int t = 1; t <= J; ++t)
    for (int u = 0; u < t; ++u) {
      const T first = row.phase[t][begin] - row.phase[u][begin];
      const T last = row.phase[t][begin + Width - 1] - row.phase[u][begin + Width - 1];
      close = close & (std::abs(first) < near) & (std::abs(last) < near);
      far = far & (std::min(std::abs(first), std::abs(last)) > beyond) & ((first > 0) == (last > 0));
    }
  return close ? Reach::kClose : far ? Reach::kFar : Reach::kMixed;
}

template <int J, Reach R, bool Slopes, int Bytes, class T> GK_INLINE void block(const PhaseRow<T>& row, int at, T* values, T* slopes) {
  using V = Wide<T, Bytes>;
  using Registers = typename V::R;
  V s[J + 1];
  Complex<V> e[J + 1], d[J + 1];
  for (int t = 0; t <= J; ++t) {
    s[t].v = Registers::load(row.phase[t] + at);
    e[t].re.v = Registers::load(row.phasor[t][0] + at), e[t].im.v = Registers::load(row.phasor[t][1] + at);
  }
  const Complex<V> value = of_corners<J, T, R, Slopes>(s, e, d);
  Registers::store(values + at, value.re.v), Registers::store(values + kRow + at, value.im.v);
  if constexpr (Slopes)
    for (int t = 0; t <= J; ++t) {
      Registers::store(slopes + 2 * t * kRow + at, d[t].re.v);
      Registers::store(slopes + (2 * t + 1) * kRow + at, d[t].im.v);
    }
}

template <int J, bool Slopes, int Bytes, class T> GK_INLINE void blocks(const PhaseRow<T>& row, T* values, T* slopes) {
  constexpr int width = Bytes / sizeof(T);
  const int padded = (row.count + 15) / 16 * 16;
  for (int at = 0; at < padded; at += width) {
    const Reach reach = reach_of<J, width>(row, at);
    if constexpr (sizeof(T) == 4 && J > 0) {
      if (reach == Reach::kClose) {
        block<J, Reach::kClose, Slopes, Bytes>(row, at, values, slopes);
        continue;
      }
      if (reach == Reach::kFar && !Slopes) {
        block<J, Reach::kFar, false, Bytes>(row, at, values, slopes);
        continue;
      }
    }
    block<J, Reach::kMixed, Slopes, Bytes>(row, at, values, slopes);
  }
}

template <bool Slopes, int Bytes, class T> GK_INLINE void along(const PhaseRow<T>& row, T* values, T* slopes) {
  switch (row.corners) {
    case 1: return blocks<0, Slopes, Bytes>(row, values, slopes);
    case 2: return blocks<1, Slopes, Bytes>(row, values, slopes);
    case 3: return blocks<2, Slopes, Bytes>(row, values, slopes);
    default: return blocks<3, Slopes, Bytes>(row, values, slopes);
  }
}

#define GK_VALUES(BYTES) \
  void values_of(const PhaseRow<float>& row, float* values) { along<false, BYTES>(row, values, (float*)nullptr); }
#define GK_VALUES_DOUBLE(BYTES) \
  void values_of(const PhaseRow<double>& row, double* values) { along<false, BYTES>(row, values, (double*)nullptr); }
#define GK_SLOPES(BYTES) \
  void slopes_of(const PhaseRow<float>& row, float* values, float* slopes) { along<true, BYTES>(row, values, slopes); }
#define GK_SLOPES_DOUBLE(BYTES) \
  void slopes_of(const PhaseRow<double>& row, double* values, double* slopes) { along<true, BYTES>(row, values, slopes); }
GK_FOR_EACH_WIDTH(GK_VALUES)
GK_FOR_EACH_WIDTH(GK_VALUES_DOUBLE)
GK_FOR_EACH_WIDTH(GK_SLOPES)
GK_FOR_EACH_WIDTH(GK_SLOPES_DOUBLE)

}  // namespace

void simplex_values(const PhaseRow<float>& row, float* values) { values_of(row, values); }
void simplex_values(const PhaseRow<double>& row, double* values) { values_of(row, values); }
void simplex_slopes(const PhaseRow<float>& row, float* values, float* slopes) { slopes_of(row, values, slopes); }
void simplex_slopes(const PhaseRow<double>& row, double* values, double* slopes) { slopes_of(row, values, slopes); }

}  // namespace gk

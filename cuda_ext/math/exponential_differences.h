// Divided differences of the exponential exp(-i s) at up to five phases, of which any may coincide.
//
//   phi_p(s_0 .. s_p) = integral of exp(-i sum l_t s_t) over l >= 0, sum l = 1        (Hermite and Genocchi)
//                     = i (phi_{p-1}(s_1 .. s_p) - phi_{p-1}(s_0 .. s_{p-1})) / (s_p - s_0)
//
// is the Fourier transform of a simplex whose corners have the phases s_t, over p! times its content; phi_p = 1 / p! where
// all phases are zero. The quotient loses digits where s_p is near s_0. Phases are therefore sorted, so that the quotient is
// by the largest distance there is, and where that is below 2 a series about the middle of the two extremes takes its
// place. Neither then magnifies the error of an operand: 2 / (s_p - s_0) <= 1.
#pragma once
#include "scalar.h"

namespace gk {

template <class V> struct Complex { V re, im; };
template <class V> GK_HD Complex<V> operator+(const Complex<V>& a, const Complex<V>& b) { return {a.re + b.re, a.im + b.im}; }
template <class V> GK_HD Complex<V> operator-(const Complex<V>& a, const Complex<V>& b) { return {a.re - b.re, a.im - b.im}; }
template <class V> GK_HD Complex<V> operator*(const Complex<V>& a, const Complex<V>& b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

struct InverseFactorials {
  double of[28] = {};
  constexpr InverseFactorials() {
    of[0] = 1;
    for (int n = 1; n < 28; ++n) of[n] = of[n - 1] / n;
  }
};

// What is known of a group of phases: all pairs nearer than 2, all pairs farther, or neither. The first two only leave out
// what would not be chosen.
enum class Reach { kClose, kMixed, kFar };

// Of two phases, first <= last: half their distance, one over their distance and exp(-i s) in their middle.
template <class V> struct Span {
  V half, inverse;
  Complex<V> middle;
};

// T is the scalar; `Terms` of a series leave out what rounding hides: 11 in float32, 19 in float64.
template <class T> constexpr int kSeriesTerms = sizeof(T) == 4 ? 11 : 19;

// The polynomial with `count` coefficients, each `Step`th of the list, the constant first; `Alternating` turns every other sign.
template <class T, bool Alternating, int Step, class V> GK_HD V polynomial(const double* terms, int count, const V& x) {
  V result = V(T((Alternating && (count - 1) % 2 ? -1 : 1) * terms[Step * (count - 1)]));
#if defined(__GNUC__) && !defined(__CUDACC__)
#pragma GCC unroll 16
#endif
  for (int k = count - 2; k >= 0; --k) result = result * x + T((Alternating && k % 2 ? -1 : 1) * terms[Step * k]);
  return result;
}

// 1 / (2 cos x) and tan x / (2 x) on [0, 1], of the square of x: in float32 Chebyshev's polynomials, to 3e-9, without a
// division; in float64 Taylor's of sine and cosine.
template <class T, class V> GK_HD V half_secant(const V& square) {
  if constexpr (sizeof(T) == 4) {
    constexpr double terms[] = {0.499999998, 0.250000329, 0.104155915, 0.0424960769, 0.0163241988,
                                0.00999716641, -0.00363216601, 0.00933603286, -0.005403128, 0.00213343218};
    return polynomial<T, false, 1>(terms, 10, square);
  } else {
    constexpr InverseFactorials inverse;
    return T(0.5) / polynomial<T, true, 2>(inverse.of, 11, square);
  }
}
template <class T, class V> GK_HD V half_tangent(const V& square) {
  if constexpr (sizeof(T) == 4) {
    constexpr double terms[] = {0.499999999, 0.166666876, 0.0666598222, 0.0270700489, 0.0103930442,
                                0.00636442711, -0.00231230725, 0.00594350325, -0.00343973816, 0.00135818512};
    return polynomial<T, false, 1>(terms, 10, square);
  } else {
    constexpr InverseFactorials inverse;
    return half_secant<T>(square) * polynomial<T, true, 2>(inverse.of + 1, 10, square);
  }
}

template <class T, Reach R, class V> GK_HD Span<V> span_of(const V& first, const V& last, const Complex<V>& from, const Complex<V>& to) {
  Span<V> span;
  span.half = (last - first) * T(0.5);
  if constexpr (R != Reach::kClose) span.inverse = T(0.5) / maximum(span.half, V(T(1)));
  if constexpr (R != Reach::kFar) {  // the mean of two phasors is the middle one times the cosine of half their distance
    const V bounded = minimum(span.half, V(T(1))), scale = half_secant<T>(bounded * bounded);
    span.middle = {(from.re + to.re) * scale, (from.im + to.im) * scale};
  }
  return span;
}

// phi_1 of two phases.
template <class T, Reach R, class V> GK_HD Complex<V> edge_difference(const Span<V>& span, const Complex<V>& from, const Complex<V>& to) {
  const Complex<V> far = {(from.im - to.im) * span.inverse, (to.re - from.re) * span.inverse};
  if constexpr (R == Reach::kFar) return far;
  const V one = V(T(1)), bounded = minimum(span.half, one), scale = half_tangent<T>(bounded * bounded);
  const Complex<V> close = {(from.re + to.re) * scale, (from.im + to.im) * scale};
  if constexpr (R == Reach::kClose) return close;
  return {select(span.half < one, close.re, far.re), select(span.half < one, close.im, far.im)};
}

// phi_P, P > 1, from its two neighbours of order P - 1, without the last and without the first phase. `inner`: the P - 1 phases
// between the extremes, less the middle of these.
template <int P, class T, Reach R, class V>
GK_HD Complex<V> difference(const Span<V>& span, const V* inner, const Complex<V>& lower, const Complex<V>& upper) {
  const Complex<V> far = {(lower.im - upper.im) * span.inverse, (upper.re - lower.re) * span.inverse};
  if constexpr (R == Reach::kFar) return far;
  // The sum over n of (-i)^n h_n / (n + P)!, h_n the complete homogeneous polynomial of degree n of the P + 1 phases:
  // of the two extremes it is half^n for even n, and each further phase d makes h_n += d h_{n-1}.
  constexpr int terms = kSeriesTerms<T>;
  constexpr InverseFactorials inverse;
  const V square = span.half * span.half;
  V power = V(T(1)), re = V(T(inverse.of[P])), im = V(T(0)), h[P - 1];
  for (int k = 0; k < P - 1; ++k) h[k] = V(T(1));
#if defined(__GNUC__) && !defined(__CUDACC__)
#pragma GCC unroll 24
#endif
  for (int n = 1; n < terms; ++n) {
    const bool even = n % 2 == 0;
    if (even) power = power * square;
    h[0] = even ? inner[0] * h[0] + power : inner[0] * h[0];
    for (int k = 1; k < P - 1; ++k) h[k] = inner[k] * h[k] + h[k - 1];
    const T factor = T((n % 4 == 1 || n % 4 == 2 ? -1 : 1) * inverse.of[n + P]);
    if (even) re = h[P - 2] * factor + re;
    else im = h[P - 2] * factor + im;
  }
  const Complex<V> close = span.middle * Complex<V>{re, im};
  if constexpr (R == Reach::kClose) return close;
  const V one = V(T(1));
  return {select(span.half < one, close.re, far.re), select(span.half < one, close.im, far.im)};
}

// phi_J of J + 1 ascending phases z with e = exp(-i z), and if Derivatives also slopes[t] = phi_{J+1}(z, z_t): the
// derivative of phi_J by z_t is -i slopes[t]. The slopes add up to phi_J, which gives the last of them.
template <int J, class T, Reach R, bool Derivatives, class V>
GK_HD Complex<V> exponential_difference(const V* z, const Complex<V>* e, Complex<V>* slopes) {
  if constexpr (J == 0) {
    if constexpr (Derivatives) slopes[0] = e[0];
    return e[0];
  } else {
    Span<V> spans[J];
    Complex<V> edges[J], from[J];  // from[i] = phi_2(i, i, i + 1)
    for (int i = 0; i < J; ++i) {
      spans[i] = span_of<T, R>(z[i], z[i + 1], e[i], e[i + 1]);
      edges[i] = edge_difference<T, R>(spans[i], e[i], e[i + 1]);
      if constexpr (Derivatives) {
        const V first[1] = {-spans[i].half};
        from[i] = difference<2, T, R>(spans[i], first, e[i], edges[i]);
      }
    }
    if constexpr (J == 1) {
      if constexpr (Derivatives) slopes[0] = from[0], slopes[1] = edges[0] - from[0];
      return edges[0];
    } else {
      constexpr int K = J - 1;
      Complex<V> faces[K], first[K], last[K];  // phi_2(i, i + 1, i + 2), and phi_3 with the first or the last of these twice
      for (int i = 0; i < K; ++i) {
        const Span<V> span = span_of<T, R>(z[i], z[i + 2], e[i], e[i + 2]);
        const V middle = z[i + 1] - (z[i] + z[i + 2]) * T(0.5);
        faces[i] = difference<2, T, R>(span, &middle, edges[i], edges[i + 1]);
        if constexpr (Derivatives) {
          const V with_first[2] = {-span.half, middle}, with_last[2] = {middle, span.half};
          first[i] = difference<3, T, R>(span, with_first, from[i], faces[i]);
          last[i] = difference<3, T, R>(span, with_last, faces[i], edges[i + 1] - from[i + 1]);
        }
      }
      if constexpr (J == 2) {
        if constexpr (Derivatives) slopes[0] = first[0], slopes[2] = last[0], slopes[1] = faces[0] - first[0] - last[0];
        return faces[0];
      } else {
        static_assert(J == 3, "simplices have four corners at most");
        const Span<V> span = span_of<T, R>(z[0], z[3], e[0], e[3]);
        const V centre = (z[0] + z[3]) * T(0.5), inner[2] = {z[1] - centre, z[2] - centre};
        const Complex<V> solid = difference<3, T, R>(span, inner, faces[0], faces[1]);
        if constexpr (Derivatives) {
          const V with_0[3] = {-span.half, inner[0], inner[1]}, with_1[3] = {inner[0], inner[0], inner[1]};
          const V with_3[3] = {inner[0], inner[1], span.half};
          slopes[0] = difference<4, T, R>(span, with_0, first[0], solid);
          slopes[1] = difference<4, T, R>(span, with_1, faces[0] - first[0] - last[0], first[1]);
          slopes[3] = difference<4, T, R>(span, with_3, solid, last[1]);
          slopes[2] = solid - slopes[0] - slopes[1] - slopes[3];
        }
        return solid;
      }
    }
  }
}

// Sorts J + 1 keys with what belongs to them; exchange(a, b) puts the entries a < b in order.
template <int J, class F> GK_HD void sort_corners(F exchange) {
  if constexpr (J == 1) exchange(0, 1);
  if constexpr (J == 2) exchange(0, 1), exchange(1, 2), exchange(0, 1);
  if constexpr (J == 3) exchange(0, 1), exchange(2, 3), exchange(0, 2), exchange(1, 3), exchange(1, 2);
}

// Puts keys and what belongs to them in ascending order: the network's exchange of entries a < b.
template <class V, class F> GK_HD void put_in_order(V* keys, int a, int b, F each_other) {
  const V first = keys[a], second = keys[b];
  each_other([&](V& x, V& y) GK_HD_LAMBDA {
    const V lower = select(second < first, y, x), upper = select(second < first, x, y);
    x = lower, y = upper;
  });
  keys[a] = minimum(first, second), keys[b] = maximum(first, second);
}

// phi_J of corners in any order, and its slopes if wanted, in the order of the corners.
template <int J, class T, Reach R, bool Slopes, class V>
GK_HD Complex<V> of_corners(V* s, Complex<V>* e, Complex<V>* slopes) {
  V names[J + 1];
  for (int t = 0; t <= J; ++t) names[t] = V(T(t));
  sort_corners<J>([&](int a, int b) GK_HD_LAMBDA {
    put_in_order(s, a, b, [&](auto swap) GK_HD_LAMBDA {
      swap(e[a].re, e[b].re), swap(e[a].im, e[b].im);
      if constexpr (Slopes) swap(names[a], names[b]);
    });
  });
  const Complex<V> value = exponential_difference<J, T, R, Slopes>(s, e, slopes);
  if constexpr (Slopes)
    sort_corners<J>([&](int a, int b) GK_HD_LAMBDA {
      put_in_order(names, a, b, [&](auto swap) GK_HD_LAMBDA {
        swap(slopes[a].re, slopes[b].re), swap(slopes[a].im, slopes[b].im);
      });
    });
  return value;
}

}  // namespace gk

// Sixteen values at once: the CPU's value type for the templates of math/. Compilers split it into whatever vector
// registers the target has (one AVX-512, two AVX2 or four SSE registers in float32).
#pragma once
#include <cstdint>
#include <cstring>

#include "../math/scalar.h"
#include "multiversion.h"

namespace gk {

constexpr int kLanes = 16;

template <class T> struct BitsOf;
template <> struct BitsOf<float> { using type = int32_t; };
template <> struct BitsOf<double> { using type = int64_t; };

template <class T> struct Mask {
  using Bits = typename BitsOf<T>::type;
  typedef Bits Vector __attribute__((vector_size(kLanes * sizeof(T))));
  Vector v;
};

template <class T> struct Lanes {
  typedef T Vector __attribute__((vector_size(kLanes * sizeof(T))));
  Vector v;
  Lanes() = default;
  GK_INLINE Lanes(T s) : v(s - Vector{}) {}
  GK_INLINE explicit Lanes(Vector raw, int) : v(raw) {}
  GK_INLINE T operator[](int i) const { return v[i]; }
};

template <class T> GK_INLINE Lanes<T> wrap(typename Lanes<T>::Vector v) { return Lanes<T>(v, 0); }
template <class T> GK_INLINE Lanes<T> load(const T* p) {
  Lanes<T> r;
  std::memcpy(&r.v, p, sizeof(r.v));
  return r;
}
template <class T> GK_INLINE void store(T* p, const Lanes<T>& a) { std::memcpy(p, &a.v, sizeof(a.v)); }
template <class T> GK_INLINE Lanes<T> lane_index() {
  T values[kLanes];
  for (int i = 0; i < kLanes; ++i) values[i] = T(i);
  return load(values);
}

#define GK_LANES_OPERATOR(op)                                                                                  \
  template <class T> GK_INLINE Lanes<T> operator op(const Lanes<T>& a, const Lanes<T>& b) {                     \
    return wrap<T>(a.v op b.v);                                                                                 \
  }                                                                                                             \
  template <class T> GK_INLINE Lanes<T> operator op(const Lanes<T>& a, T b) { return wrap<T>(a.v op b); }       \
  template <class T> GK_INLINE Lanes<T> operator op(T a, const Lanes<T>& b) { return wrap<T>(a op b.v); }
GK_LANES_OPERATOR(+)
GK_LANES_OPERATOR(-)
GK_LANES_OPERATOR(*)
GK_LANES_OPERATOR(/)
#undef GK_LANES_OPERATOR
template <class T> GK_INLINE Lanes<T> operator-(const Lanes<T>& a) { return wrap<T>(-a.v); }

// A comparison, to be used once, by select. There is no "and": GCC 12 takes combined comparisons of wide vectors apart,
// lane by lane. Write a <= x && x <= b as minimum(x - a, b - x) >= 0.
#define GK_LANES_COMPARISON(op)                                                                       \
  template <class T> GK_INLINE Mask<T> operator op(const Lanes<T>& a, const Lanes<T>& b) { return {a.v op b.v}; }
GK_LANES_COMPARISON(<)
GK_LANES_COMPARISON(>)
GK_LANES_COMPARISON(<=)
GK_LANES_COMPARISON(>=)
#undef GK_LANES_COMPARISON

template <class T> GK_INLINE Lanes<T> select(const Mask<T>& m, const Lanes<T>& yes, const Lanes<T>& no) {
  return wrap<T>(m.v ? yes.v : no.v);
}
template <class T> GK_INLINE Lanes<T> minimum(const Lanes<T>& a, const Lanes<T>& b) { return wrap<T>(a.v < b.v ? a.v : b.v); }
template <class T> GK_INLINE Lanes<T> maximum(const Lanes<T>& a, const Lanes<T>& b) { return wrap<T>(a.v > b.v ? a.v : b.v); }
template <class T> GK_INLINE Lanes<T> absolute(const Lanes<T>& a) { return maximum(a, -a); }
// A scalar function lane by lane, through memory.
template <class T, class F> GK_INLINE Lanes<T> each_lane(const Lanes<T>& a, F function) {
  T values[kLanes];
  store(values, a);
  for (int i = 0; i < kLanes; ++i) values[i] = function(values[i]);
  return load(values);
}
template <class T> GK_INLINE Lanes<T> square_root(const Lanes<T>& a) {
  return each_lane(a, [](T x) { return std::sqrt(x); });
}
template <class T> GK_INLINE Lanes<T> logarithm(const Lanes<T>& a) {
  return each_lane(a, [](T x) { return std::log(x); });
}
// Pairwise, in a fixed order, without leaving the registers.
template <class T> GK_INLINE T sum(const Lanes<T>& a) {
  const auto by8 = __builtin_shufflevector(a.v, a.v, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(a.v, a.v, 8, 9, 10, 11, 12, 13, 14, 15);
  const auto by4 = __builtin_shufflevector(by8, by8, 0, 1, 2, 3) + __builtin_shufflevector(by8, by8, 4, 5, 6, 7);
  return (by4[0] + by4[2]) + (by4[1] + by4[3]);
}
template <class T> GK_INLINE T largest(const Lanes<T>& a) {
  const auto low8 = __builtin_shufflevector(a.v, a.v, 0, 1, 2, 3, 4, 5, 6, 7);
  const auto high8 = __builtin_shufflevector(a.v, a.v, 8, 9, 10, 11, 12, 13, 14, 15);
  const auto by8 = low8 > high8 ? low8 : high8;
  const auto low4 = __builtin_shufflevector(by8, by8, 0, 1, 2, 3), high4 = __builtin_shufflevector(by8, by8, 4, 5, 6, 7);
  const auto by4 = low4 > high4 ? low4 : high4;
  const T even = by4[0] > by4[2] ? by4[0] : by4[2], odd = by4[1] > by4[3] ? by4[1] : by4[3];
  return even > odd ? even : odd;
}

GK_INLINE Lanes<double> exponential(const Lanes<double>& a) {
  return each_lane(a, [](double x) { return std::exp(x); });
}

// 2^x in float32 to 2 ulp for x in [-126, 127]: 2^n by the exponent bits, 2^f on [-1/2, 1/2] by a polynomial of degree 6.
GK_INLINE Lanes<float> exp2_bounded(const Lanes<float>& x) {
  using L = Lanes<float>;
  const float magic = 12582912.f;  // 1.5 * 2^23: adding it leaves the rounded integer in the low mantissa bits
  const L shifted = x + magic, f = x - (shifted - magic);
  L p = f * 1.5403530e-4f + 1.3333558e-3f;
  p = p * f + 9.6181291e-3f;
  p = p * f + 5.5504109e-2f;
  p = p * f + 2.4022651e-1f;
  p = p * f + 6.9314718e-1f;
  p = p * f + 1.f;
  using I = Mask<float>::Vector;
  I bits, exponent;
  std::memcpy(&bits, &p.v, sizeof(bits));
  std::memcpy(&exponent, &shifted.v, sizeof(exponent));
  bits += exponent << 23;
  L r;
  std::memcpy(&r.v, &bits, sizeof(bits));
  return r;
}

// exp in float32, saturated outside [-87, 88].
GK_INLINE Lanes<float> exponential(const Lanes<float>& a) {
  return exp2_bounded(maximum(minimum(a * 1.44269504f, Lanes<float>(127.f)), Lanes<float>(-126.f)));
}

GK_INLINE void cosine_sine_of_turns(const Lanes<double>& turns, Lanes<double>& c, Lanes<double>& s) {
  double angle[kLanes], cosine[kLanes], sine[kLanes];
  store(angle, turns);
  for (int i = 0; i < kLanes; ++i) cosine_sine_of_turns(angle[i], cosine[i], sine[i]);
  c = load(cosine), s = load(sine);
}

// Taylor polynomials of cos and sin to degree 8 and 9 on a quarter turn's half, [-pi/4, pi/4]: error below 4e-7.
GK_INLINE void cosine_sine_of_turns(const Lanes<float>& turns, Lanes<float>& c, Lanes<float>& s) {
  using L = Lanes<float>;
  const float magic = 12582912.f;
  const L quarters = turns * 4.f, shifted = quarters + magic, r = (quarters - (shifted - magic)) * 1.57079633f;
  const L r2 = r * r;
  const L cosine = ((r2 * 2.4801587e-5f - 1.3888889e-3f) * r2 + 4.1666667e-2f) * (r2 * r2) - 0.5f * r2 + 1.f;
  const L sine = (((r2 * 2.7557319e-6f - 1.9841270e-4f) * r2 + 8.3333333e-3f) * r2 - 1.6666667e-1f) * (r2 * r) + r;
  using I = Mask<float>::Vector;
  I quadrant;
  std::memcpy(&quadrant, &shifted.v, sizeof(quadrant));
  const I odd = -(quadrant & 1);
  const L first = wrap<float>(odd != 0 ? sine.v : cosine.v), second = wrap<float>(odd != 0 ? cosine.v : sine.v);
  // quadrants 0..3 of (cos, sin): (c, s), (-s, c), (-c, -s), (s, -c)
  c = wrap<float>(((quadrant + 1) & 2) != 0 ? -first.v : first.v);
  s = wrap<float>((quadrant & 2) != 0 ? -second.v : second.v);
}

}  // namespace gk

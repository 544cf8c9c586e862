// The scalar vocabulary of the shared mathematics.
//
// Every function in math/ is a template over its value type V and free of branches on values, so that the same lines
// serve a CUDA thread (V = float), the float64 checks (V = double) and sixteen lanes of a CPU vector (V = Lanes<T>).
#pragma once
#include <cmath>

#if defined(__CUDACC__)
#define GK_HD __host__ __device__ __forceinline__
#define GK_HD_LAMBDA
#else
#define GK_HD inline __attribute__((always_inline))
#define GK_HD_LAMBDA __attribute__((always_inline))
#endif

namespace gk {

GK_HD float select(bool condition, float yes, float no) { return condition ? yes : no; }
GK_HD double select(bool condition, double yes, double no) { return condition ? yes : no; }
GK_HD float minimum(float a, float b) { return a < b ? a : b; }
GK_HD double minimum(double a, double b) { return a < b ? a : b; }
GK_HD float maximum(float a, float b) { return a > b ? a : b; }
GK_HD double maximum(double a, double b) { return a > b ? a : b; }
GK_HD float square_root(float x) { return sqrtf(x); }
GK_HD double square_root(double x) { return sqrt(x); }
GK_HD float exponential(float x) { return expf(x); }
GK_HD double exponential(double x) { return exp(x); }
GK_HD float logarithm(float x) { return logf(x); }
GK_HD double logarithm(double x) { return log(x); }

// Cosine and sine of an angle given in turns (1 turn = 2 pi radians), accurate for many turns.
GK_HD void cosine_sine_of_turns(float turns, float& c, float& s) {
  const float angle = 6.283185307179586f * (turns - rintf(turns));
  c = cosf(angle), s = sinf(angle);
}
GK_HD void cosine_sine_of_turns(double turns, double& c, double& s) {
  const double angle = 6.283185307179586 * (turns - rint(turns));
  c = cos(angle), s = sin(angle);
}

template <class V> struct Vec2 { V x, y; };
template <class V> struct Vec3 { V x, y, z; };
template <class V> struct Mat3 { V m[3][3]; };      // row-major
template <class V> struct Mat23 { V m[2][3]; };     // row-major
template <class V> struct Sym2 { V xx, xy, yy; };   // symmetric 2x2

template <class V> GK_HD V dot(const V* a, const V* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
template <class V> GK_HD V determinant(const Sym2<V>& a) { return a.xx * a.yy - a.xy * a.xy; }
template <class V> GK_HD Vec2<V> multiply(const Sym2<V>& a, const Vec2<V>& x) {
  return {a.xx * x.x + a.xy * x.y, a.xy * x.x + a.yy * x.y};
}

// d / |d| of a vector of any length but zero, and its VJP.
template <class V> GK_HD Vec3<V> unit_of(const V* d, V& inverse_norm) {
  inverse_norm = V(1) / square_root(maximum(d[0] * d[0] + d[1] * d[1] + d[2] * d[2], V(1e-24)));
  return {d[0] * inverse_norm, d[1] * inverse_norm, d[2] * inverse_norm};
}
template <class V> GK_HD Vec3<V> unit_vjp(const Vec3<V>& unit, const V& inverse_norm, const Vec3<V>& bar) {
  const V radial = bar.x * unit.x + bar.y * unit.y + bar.z * unit.z;
  return {(bar.x - radial * unit.x) * inverse_norm, (bar.y - radial * unit.y) * inverse_norm, (bar.z - radial * unit.z) * inverse_norm};
}

}  // namespace gk

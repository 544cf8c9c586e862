// Radial basis functions of one centre with a shape of its own, their derivatives, and the way back.
//
// With y = x - c, u = A y (A lower triangular, packed by rows), s = u.u, p = A'u and P = A'A, a profile phi(s) has the
// gradient 2 phi' p and the Laplacian 4 phi'' p.p + 2 phi' tr P; primes are derivatives by s. Every profile is zero with
// at least two derivatives from s = R^2 on: those that never end are multiplied by the taper below.
#pragma once
#include "scalar.h"

namespace gk {

enum class Profile : int {
  kInverseQuadratic,     // 1 / (1 + s)
  kInverseMultiquadric,  // 1 / sqrt(1 + s)
  kGaussian,             // exp(-s / 2)
  kMarkov,               // exp(e - sqrt(s + e^2)), e = 1/8: exp(-r) with its tip rounded
  kWendland2,            // (1 - r)^4 (4 r + 1), r = sqrt(s) / R
  kWendland4,            // (1 - r)^6 (35 r^2 + 18 r + 3) / 3
  kBump,                 // (1 - s / R^2)^4
  kHat                   // the product of 1 - |u_k| over the axes: no function of s, see hat()
};

GK_HD constexpr int packed(int row, int column) { return row * (row + 1) / 2 + column; }
GK_HD constexpr int packed_size(int d) { return d * (d + 1) / 2; }

// The value and derivatives up to the N-th by s.
template <int N, class V> struct Series { V d[N + 1]; };

// 1 at v = 0, flat there and at v = 1 to the third order, 0 beyond: (1 - v)^4 (1 + 4v + 10v^2 + 20v^3).
template <int N, class V> GK_HD Series<N, V> taper(const V& v) {
  Series<N, V> r;
  const V t = V(1) - v, t2 = t * t;
  r.d[0] = t2 * t2 * (((V(20) * v + V(10)) * v + V(4)) * v + V(1));
  if constexpr (N > 0) r.d[1] = V(-140) * (t2 * t) * (v * v * v);
  if constexpr (N > 1) r.d[2] = V(-420) * (t2 * (v * v)) * (t - v);
  if constexpr (N > 2) r.d[3] = V(-840) * (t * v) * ((t - v) * (t - v) - t * v);
  return r;
}

template <int N, class V> GK_HD Series<N, V> endless(Profile profile, const V& s) {
  Series<N, V> r;
  if (profile == Profile::kInverseQuadratic) {
    const V q = V(1) / (V(1) + s);
    r.d[0] = q;
    if constexpr (N > 0) r.d[1] = -q * q;
    if constexpr (N > 1) r.d[2] = V(-2) * q * r.d[1];
    if constexpr (N > 2) r.d[3] = V(-3) * q * r.d[2];
  } else if (profile == Profile::kInverseMultiquadric) {
    const V q = V(1) / (V(1) + s);
    r.d[0] = square_root(q);
    if constexpr (N > 0) r.d[1] = V(-0.5) * q * r.d[0];
    if constexpr (N > 1) r.d[2] = V(-1.5) * q * r.d[1];
    if constexpr (N > 2) r.d[3] = V(-2.5) * q * r.d[2];
  } else if (profile == Profile::kGaussian) {
    r.d[0] = exponential(V(-0.5) * s);
    for (int n = 1; n <= N; ++n) r.d[n] = V(-0.5) * r.d[n - 1];
  } else {
    const V m = square_root(s + V(0.015625));
    r.d[0] = exponential(V(0.125) - m);
    if constexpr (N > 0) {
      const V i = V(1) / m;
      r.d[1] = V(-0.5) * i * r.d[0];
      if constexpr (N > 1) r.d[2] = V(0.25) * (i * i) * (V(1) + i) * r.d[0];
      if constexpr (N > 2) r.d[3] = V(-0.125) * (i * i * i) * (V(1) + V(3) * i + V(3) * i * i) * r.d[0];
    }
  }
  return r;
}

// The functions of Wendland (1995) and the bump, of v = s / R^2 in [0, 1]; derivatives by v.
template <int N, class V> GK_HD Series<N, V> ending(Profile profile, const V& v) {
  Series<N, V> r;
  if (profile == Profile::kBump) {
    const V t = V(1) - v, t2 = t * t;
    r.d[0] = t2 * t2;
    if constexpr (N > 0) r.d[1] = V(-4) * t2 * t;
    if constexpr (N > 1) r.d[2] = V(12) * t2;
    if constexpr (N > 2) r.d[3] = V(-24) * t;
    return r;
  }
  // Where a derivative by v grows without end towards the centre, what multiplies it vanishes faster.
  const V radius = maximum(square_root(v), V(1e-6)), t = V(1) - radius, t2 = t * t;
  if (profile == Profile::kWendland2) {
    r.d[0] = t2 * t2 * (V(4) * radius + V(1));
    if constexpr (N > 0) r.d[1] = V(-10) * t2 * t;
    if constexpr (N > 1) r.d[2] = V(15) * t2 / radius;
    if constexpr (N > 2) r.d[3] = V(-7.5) * t * (V(1) + radius) / (radius * radius * radius);
  } else {
    r.d[0] = t2 * t2 * t2 * ((V(35.0 / 3) * radius + V(6)) * radius + V(1));
    if constexpr (N > 0) r.d[1] = V(-28.0 / 3) * (V(5) * radius + V(1)) * (t2 * t2 * t);
    if constexpr (N > 1) r.d[2] = V(140) * (t2 * t2);
    if constexpr (N > 2) r.d[3] = V(-280) * (t2 * t) / radius;
  }
  return r;
}

// phi and its derivatives by s, 0 from s = R^2 on; `inverse` is 1 / R^2.
template <int N, class V> GK_HD Series<N, V> profile_series(Profile profile, const V& s, const V& inverse) {
  const V v = minimum(s * inverse, V(1));
  Series<N, V> r;
  if (profile == Profile::kWendland2 || profile == Profile::kWendland4 || profile == Profile::kBump) {
    r = ending<N>(profile, v);
    V scale = inverse;
    for (int n = 1; n <= N; ++n) r.d[n] = r.d[n] * scale, scale = scale * inverse;
    return r;
  }
  const Series<N, V> k = endless<N>(profile, s);
  Series<N, V> t = taper<N>(v);
  V scale = inverse;
  for (int n = 1; n <= N; ++n) t.d[n] = t.d[n] * scale, scale = scale * inverse;
  r.d[0] = k.d[0] * t.d[0];
  if constexpr (N > 0) r.d[1] = k.d[1] * t.d[0] + k.d[0] * t.d[1];
  if constexpr (N > 1) r.d[2] = k.d[2] * t.d[0] + V(2) * k.d[1] * t.d[1] + k.d[0] * t.d[2];
  if constexpr (N > 2) r.d[3] = k.d[3] * t.d[0] + V(3) * (k.d[2] * t.d[1] + k.d[1] * t.d[2]) + k.d[0] * t.d[3];
  return r;
}

// Where a query lies to a centre, and the wave 2 pi k.y + phase that a Gabor kernel carries (else unused).
template <int D, class V> struct Place {
  V y[D], a[packed_size(D)], u[D];
  V wave[D], cosine, sine;  // wave: 2 pi k
};

template <int D, class V> GK_HD V dot_of(const V* a, const V* b) {
  V r = a[0] * b[0];
  for (int k = 1; k < D; ++k) r = r + a[k] * b[k];
  return r;
}
template <int D, class V> GK_HD void times_factor(const V* a, const V* y, V* u) {  // u = A y
  for (int k = 0; k < D; ++k) {
    u[k] = a[packed(k, 0)] * y[0];
    for (int l = 1; l <= k; ++l) u[k] = u[k] + a[packed(k, l)] * y[l];
  }
}
template <int D, class V> GK_HD void times_transposed(const V* a, const V* u, V* p) {  // p = A'u
  for (int l = 0; l < D; ++l) {
    p[l] = a[packed(D - 1, l)] * u[D - 1];
    for (int k = l; k < D - 1; ++k) p[l] = p[l] + a[packed(k, l)] * u[k];
  }
}

// What follows from y and a: u, and of a Gabor kernel the wave, whose vector k in cycles and phase in radians are given.
template <int D, bool Waves, class V> GK_HD void finish_place(Place<D, V>& at, const V* k_and_phase) {
  times_factor<D>(at.a, at.y, at.u);
  if constexpr (Waves) {
    V turns = k_and_phase[D] * V(0.15915494309189535);
    for (int k = 0; k < D; ++k) {
      turns = turns + k_and_phase[k] * at.y[k];
      at.wave[k] = k_and_phase[k] * V(6.283185307179586);
    }
    cosine_sine_of_turns(turns, at.cosine, at.sine);
  }
}

// What a kernel adds, for a feature of one: value, gradient and Laplacian at a query.
template <int D, class V> struct Jet { V value, slope[D], curvature; };

// The gradients of E = a value + b.slope + e curvature: by x (and, negated, by c), by A, by 2 pi k and by the phase.
template <int D, class V> struct JetBar { V x[D], a[packed_size(D)], wave[D], phase; };

template <int D, int Order, bool Waves, class V>
GK_HD Jet<D, V> radial_jet(const Place<D, V>& at, const V* phi) {
  Jet<D, V> jet = {};
  V p[D];
  if constexpr (Order > 0) times_transposed<D>(at.a, at.u, p);
  jet.value = phi[0];
  if constexpr (Order > 0)
    for (int k = 0; k < D; ++k) jet.slope[k] = V(2) * phi[1] * p[k];
  if constexpr (Order > 1)
    jet.curvature = V(4) * phi[2] * dot_of<D>(p, p) + V(2) * phi[1] * dot_of<packed_size(D)>(at.a, at.a);
  if constexpr (Waves) {
    if constexpr (Order > 1)
      jet.curvature = at.cosine * (jet.curvature - phi[0] * dot_of<D>(at.wave, at.wave)) -
                      V(4) * at.sine * phi[1] * dot_of<D>(p, at.wave);
    if constexpr (Order > 0)
      for (int k = 0; k < D; ++k) jet.slope[k] = at.cosine * jet.slope[k] - at.sine * phi[0] * at.wave[k];
    jet.value = at.cosine * phi[0];
  }
  return jet;
}

// From the gradients by s (twice S), p (q) and tr P: dE/du = 2 S u + A q, dE/dx = A'dE/du, dE/dA = dE/du y' + u q' + 4 t A.
template <int D, int Order, bool Waves, class V>
GK_HD JetBar<D, V> radial_jet_vjp(const Place<D, V>& at, const V* phi, const V& a, const V* b, const V& e) {
  JetBar<D, V> bar = {};
  V p[D], u_bar[D], q[D], by_s = a * phi[1], by_trace = V(0);
  if constexpr (Order > 0) {
    times_transposed<D>(at.a, at.u, p);
    by_s = by_s + V(2) * phi[2] * dot_of<D>(b, p);
    for (int k = 0; k < D; ++k) q[k] = V(2) * phi[1] * b[k];
  }
  if constexpr (Order > 1) {
    const V trace = dot_of<packed_size(D)>(at.a, at.a), pp = dot_of<D>(p, p);
    by_s = by_s + e * (V(4) * phi[3] * pp + V(2) * phi[2] * trace);
    for (int k = 0; k < D; ++k) q[k] = q[k] + V(8) * e * phi[2] * p[k];
    by_trace = e * phi[1];
  }
  if constexpr (Waves) {
    V even = a * phi[0], odd = V(0), odd_by_s = V(0);  // E = cosine even - sine odd
    if constexpr (Order > 0) {
      const V along = dot_of<D>(b, at.wave);
      even = even + V(2) * phi[1] * dot_of<D>(b, p), odd = phi[0] * along, odd_by_s = phi[1] * along;
    }
    if constexpr (Order > 1) {
      const V trace = dot_of<packed_size(D)>(at.a, at.a), square = dot_of<D>(at.wave, at.wave);
      const V across = dot_of<D>(p, at.wave);
      even = even + e * (V(4) * phi[2] * dot_of<D>(p, p) + V(2) * phi[1] * trace - phi[0] * square);
      odd = odd + V(4) * e * phi[1] * across, odd_by_s = odd_by_s + V(4) * e * phi[2] * across;
      by_s = by_s - e * phi[1] * square;
    }
    by_s = at.cosine * by_s - at.sine * odd_by_s, by_trace = at.cosine * by_trace;
    bar.phase = -(at.sine * even + at.cosine * odd);
    for (int k = 0; k < D; ++k) {
      bar.wave[k] = bar.phase * at.y[k];
      if constexpr (Order > 0) q[k] = at.cosine * q[k], bar.wave[k] = bar.wave[k] - at.sine * phi[0] * b[k];
      if constexpr (Order > 1) {
        q[k] = q[k] - V(4) * at.sine * e * phi[1] * at.wave[k];
        bar.wave[k] = bar.wave[k] - e * (V(2) * at.cosine * phi[0] * at.wave[k] + V(4) * at.sine * phi[1] * p[k]);
      }
    }
  }
  if constexpr (Order > 0) times_factor<D>(at.a, q, u_bar);
  for (int k = 0; k < D; ++k) u_bar[k] = Order > 0 ? u_bar[k] + V(2) * by_s * at.u[k] : V(2) * by_s * at.u[k];
  times_transposed<D>(at.a, u_bar, bar.x);
  for (int k = 0; k < D; ++k)
    for (int l = 0; l <= k; ++l) {
      V& to = bar.a[packed(k, l)];
      to = u_bar[k] * at.y[l];
      if constexpr (Order > 0) to = to + at.u[k] * q[l];
      if constexpr (Order > 1) to = to + V(4) * by_trace * at.a[packed(k, l)];
    }
  if constexpr (Waves)
    for (int k = 0; k < D; ++k) bar.x[k] = bar.x[k] + bar.phase * at.wave[k];
  return bar;
}

// The hat's factors 1 - |u_k| and their slopes, zero from |u_k| = 1 on and, as a convention, at the tip.
template <int D, class V> GK_HD void hat_factors(const V* u, V* h, V* slope) {
  for (int k = 0; k < D; ++k) {
    const V size = maximum(u[k], -u[k]);
    h[k] = maximum(V(1) - size, V(0));
    slope[k] = select(size < V(1), select(u[k] > V(0), V(-1), select(u[k] < V(0), V(1), V(0))), V(0));
  }
}
template <int D, class V> GK_HD V product_without(const V* h, int i, int j) {
  V r = V(1);
  for (int k = 0; k < D; ++k)
    if (k != i && k != j) r = r * h[k];
  return r;
}

template <int D, int Order, class V> GK_HD Jet<D, V> hat_jet(const Place<D, V>& at) {
  Jet<D, V> jet = {};
  V h[D], slope[D], by_u[D];
  hat_factors<D>(at.u, h, slope);
  jet.value = product_without<D>(h, -1, -1);
  if constexpr (Order > 0) {
    for (int k = 0; k < D; ++k) by_u[k] = slope[k] * product_without<D>(h, k, k);
    times_transposed<D>(at.a, by_u, jet.slope);
  }
  return jet;
}

template <int D, int Order, class V>
GK_HD JetBar<D, V> hat_jet_vjp(const Place<D, V>& at, const V& a, const V* b) {
  JetBar<D, V> bar = {};
  V h[D], slope[D], by_u[D], u_bar[D], moved[D];
  hat_factors<D>(at.u, h, slope);
  for (int k = 0; k < D; ++k) by_u[k] = slope[k] * product_without<D>(h, k, k), u_bar[k] = a * by_u[k];
  if constexpr (Order > 0) {
    times_factor<D>(at.a, b, moved);
    for (int k = 0; k < D; ++k)
      for (int l = 0; l < D; ++l)
        if (l != k) u_bar[k] = u_bar[k] + slope[k] * slope[l] * product_without<D>(h, k, l) * moved[l];
  }
  times_transposed<D>(at.a, u_bar, bar.x);
  for (int k = 0; k < D; ++k)
    for (int l = 0; l <= k; ++l) {
      bar.a[packed(k, l)] = u_bar[k] * at.y[l];
      if constexpr (Order > 0) bar.a[packed(k, l)] = bar.a[packed(k, l)] + by_u[k] * b[l];
    }
  return bar;
}

}  // namespace gk

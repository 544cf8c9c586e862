#include "local_stars.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "../cpu/parallel.h"

namespace gk {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kNear = 1e-14;   // squared distance to a point at the same place, relative to that of the farthest
constexpr double kAligned = 1e-7; // radians, between directions of which only the nearer point counts
constexpr double kTie = 1e-7;     // weight of a point, relative to its squared distance to the nearest

// In [0, 1], by the place alone, so that it does not depend on the order of the points.
double chance(const double* place) {
  uint64_t state = 0;
  for (int a = 0; a < 3; ++a) {
    uint64_t bits;
    const double x = place[a] + 0.0;
    std::memcpy(&bits, &x, 8);
    state = (state ^ bits) * 0x9E3779B97F4A7C15u;
    state ^= state >> 29;
  }
  return double(state >> 11) * 0x1p-53;
}

struct Spoke {
  double angle, x, y;
  int64_t id;
};

double turn(const Spoke& a, const Spoke& b, const Spoke& c) { return (b.x - a.x) * (c.y - b.y) - (b.y - a.y) * (c.x - b.x); }

// The neighbours by their places p, divided by |p|^2: Delaunay neighbours are the corners of their convex hull, if that
// holds the point itself, else those of the hull with it. The division is by |p|^2 + w0 - w with tiny weights w
// (a regular triangulation), which decide between the diagonals of points on a circle alike for all.
std::vector<Spoke> spokes(const StarInput& in, const double* weights, int64_t point) {
  const double* n = in.normals + 3 * point;
  const double* from = in.places + 3 * point;
  const int64_t* ids = in.neighbors + in.k * point;
  const double sign = n[2] < 0 ? -1 : 1, a = -1 / (sign + n[2]), b = n[0] * n[1] * a;  // a frame (Duff et al. 2017)
  const double u[3] = {1 + sign * n[0] * n[0] * a, sign * b, -sign * n[0]}, v[3] = {b, sign + n[1] * n[1] * a, -n[1]};
  std::vector<Spoke> found;
  double farthest = 0;
  for (int64_t j = 0; j < in.k; ++j) {
    const double* to = in.places + 3 * ids[j];
    const double d[3] = {to[0] - from[0], to[1] - from[1], to[2] - from[2]};
    const double x = d[0] * u[0] + d[1] * u[1] + d[2] * u[2], y = d[0] * v[0] + d[1] * v[1] + d[2] * v[2];
    found.push_back({0, x, y, ids[j]});
    farthest = std::max(farthest, x * x + y * y);
  }
  size_t kept = 0;
  for (const Spoke& s : found) {
    const double square = s.x * s.x + s.y * s.y, power = square + weights[point] - weights[s.id];
    if (square > kNear * farthest && power > 0) found[kept++] = {std::atan2(s.y, s.x), s.x / power, s.y / power, s.id};
  }
  found.resize(kept);
  std::sort(found.begin(), found.end(), [](const Spoke& p, const Spoke& q) {
    return p.angle != q.angle ? p.angle < q.angle : p.x * p.x + p.y * p.y > q.x * q.x + q.y * q.y;
  });
  size_t apart = 0;
  for (const Spoke& s : found) {
    if (apart && s.angle - found[apart - 1].angle < kAligned) {
      Spoke& last = found[apart - 1];
      if (s.x * s.x + s.y * s.y > last.x * last.x + last.y * last.y) last = s;
    } else {
      found[apart++] = s;
    }
  }
  found.resize(apart);
  return found;
}

bool star_of(const StarInput& in, const double* weights, int64_t point, int64_t* star) {
  std::fill(star, star + in.k, -1);
  std::vector<Spoke> around = spokes(in, weights, point);
  const size_t count = around.size();
  if (count < 2) return false;
  size_t start = 0;
  double widest = around[0].angle + 2 * kPi - around[count - 1].angle;
  for (size_t i = 1; i < count; ++i)
    if (around[i].angle - around[i - 1].angle > widest) widest = around[i].angle - around[i - 1].angle, start = i;
  const bool closed = widest < kPi - kAligned;
  if (closed) {  // the nearest is a corner of the hull
    start = 0;
    for (size_t i = 1; i < count; ++i)
      if (around[i].x * around[i].x + around[i].y * around[i].y > around[start].x * around[start].x + around[start].y * around[start].y) start = i;
  }
  std::rotate(around.begin(), around.begin() + start, around.end());
  if (closed) around.push_back(around[0]);
  std::vector<Spoke> hull;
  for (const Spoke& s : around) {
    while (hull.size() > 1 && turn(hull[hull.size() - 2], hull.back(), s) <= 0) hull.pop_back();
    hull.push_back(s);
  }
  if (closed) hull.pop_back();
  for (size_t i = 0; i < hull.size(); ++i) star[i] = hull[i].id;
  return closed;
}

}  // namespace

void local_stars(const StarInput& in, int64_t* stars, int8_t* closed) {
  std::vector<double> weights(in.points);
  for (int64_t i = 0; i < in.points; ++i) {
    const double *a = in.places + 3 * i, *b = in.places + 3 * in.neighbors[in.k * i];
    const double x = b[0] - a[0], y = b[1] - a[1], z = b[2] - a[2];
    weights[i] = kTie * (x * x + y * y + z * z) * chance(a);
  }
#pragma omp parallel for schedule(static) if (in.points * in.k * 32 > kParallelWork)
  for (int64_t i = 0; i < in.points; ++i) closed[i] = star_of(in, weights.data(), i, stars + in.k * i);
}

}  // namespace gk

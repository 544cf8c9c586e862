#include "polygons.h"

#include <cmath>
#include <vector>

namespace gk {
namespace {

struct Vec {
  double x, y, z;
};
Vec minus(Vec a, Vec b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
Vec cross(Vec a, Vec b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }
double dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

// One polygon, seen along its normal.
struct Polygon {
  int64_t length;
  const int32_t* items;
  const double* vertices;

  Vec at(int64_t i) const {
    const double* v = vertices + 3 * int64_t(items[i]);
    return {v[0], v[1], v[2]};
  }
  Vec normal() const {  // Newell's, as long as twice the area
    Vec sum = {0, 0, 0};
    const Vec origin = at(0);
    for (int64_t i = 1; i + 1 < length; ++i) {
      const Vec n = cross(minus(at(i), origin), minus(at(i + 1), origin));
      sum.x += n.x, sum.y += n.y, sum.z += n.z;
    }
    return sum;
  }
  bool upright(Vec n, int64_t a, int64_t b, int64_t c, double slack) const {
    return dot(n, cross(minus(at(b), at(a)), minus(at(c), at(a)))) >= -slack;
  }
  bool fan_is_upright(Vec n, double slack) const {
    for (int64_t i = 1; i + 1 < length; ++i)
      if (!upright(n, 0, i, i + 1, slack)) return false;
    return true;
  }
};

// Meisters 1975: every simple polygon has an ear; ours leave the list one after the other.
struct EarClipper {
  const Polygon& polygon;
  Vec n;
  int64_t& effort;
  std::vector<int64_t> previous, next;
  std::vector<double> flat;  // (length, 2), the plane that the normal is steepest to

  EarClipper(const Polygon& p, Vec normal, int64_t& budget)
      : polygon(p), n(normal), effort(budget), previous(size_t(p.length)), next(size_t(p.length)), flat(2 * size_t(p.length)) {
    const double ax = std::abs(n.x), ay = std::abs(n.y), az = std::abs(n.z);
    for (int64_t i = 0; i < p.length; ++i) {
      previous[size_t(i)] = (i + p.length - 1) % p.length, next[size_t(i)] = (i + 1) % p.length;
      const Vec v = p.at(i);
      double u = v.x, w = v.y, up = n.z;
      if (ax >= ay && ax >= az) u = v.y, w = v.z, up = n.x;
      else if (ay >= az) u = v.z, w = v.x, up = n.y;
      flat[2 * size_t(i)] = up < 0 ? -u : u, flat[2 * size_t(i) + 1] = w;
    }
  }
  double turn(int64_t a, int64_t b, int64_t c) const {
    const double *p = &flat[2 * size_t(a)], *q = &flat[2 * size_t(b)], *r = &flat[2 * size_t(c)];
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
  }
  bool same(int64_t a, int64_t b) const { return flat[2 * size_t(a)] == flat[2 * size_t(b)] && flat[2 * size_t(a) + 1] == flat[2 * size_t(b) + 1]; }
  bool is_ear(int64_t b) {
    const int64_t a = previous[size_t(b)], c = next[size_t(b)];
    if (!(turn(a, b, c) > 0)) return false;
    for (int64_t p = next[size_t(c)]; p != a; p = next[size_t(p)]) {
      --effort;
      if (turn(a, b, p) >= 0 && turn(b, c, p) >= 0 && turn(c, a, p) >= 0 && !same(p, a) && !same(p, b) && !same(p, c)) return false;
    }
    return true;
  }
  // False when the effort ran out; `triangles` is then to be written again.
  bool clip(int64_t first, int64_t* triangles) {
    int64_t left = polygon.length, b = 0, tried = 0;
    while (left > 3) {
      if (effort <= 0) return false;
      --effort;
      if (tried < left && !is_ear(b)) {
        b = next[size_t(b)], ++tried;
        continue;
      }
      const int64_t a = previous[size_t(b)], c = next[size_t(b)];  // with no ear left, the polygon crosses itself: any will do
      *triangles++ = first + a, *triangles++ = first + b, *triangles++ = first + c;
      next[size_t(a)] = c, previous[size_t(c)] = a;
      b = c, tried = 0, --left;
    }
    *triangles++ = first + previous[size_t(b)], *triangles++ = first + b, *triangles++ = first + next[size_t(b)];
    return true;
  }
};

void write_fan(int64_t first, int64_t length, int64_t* triangles) {
  for (int64_t i = 1; i + 1 < length; ++i) *triangles++ = first, *triangles++ = first + i, *triangles++ = first + i + 1;
}

}  // namespace

int64_t triangulate_polygons(const Polygons& polygons, int64_t* triangles) {
  int64_t first = 0, unfinished = 0, effort = polygons.effort;
  for (int64_t f = 0; f < polygons.count; ++f) {
    const int64_t length = polygons.lengths[f], made = length > 2 ? length - 2 : 0;
    write_fan(first, length, triangles);
    if (length > 3) {
      const Polygon polygon = {length, polygons.items + first, polygons.vertices};
      const Vec n = polygon.normal();
      const double slack = 1e-12 * dot(n, n);
      if (slack > 0 && !polygon.fan_is_upright(n, slack)) {
        if (length == 4) {
          if (polygon.upright(n, 0, 1, 3, slack) && polygon.upright(n, 1, 2, 3, slack)) {
            const int64_t other[] = {0, 1, 3, 1, 2, 3};
            for (int i = 0; i < 6; ++i) triangles[i] = first + other[i];
          }
        } else if (effort <= 0 || !EarClipper(polygon, n, effort).clip(first, triangles)) {
          write_fan(first, length, triangles);
          ++unfinished;
        }
      }
    }
    triangles += 3 * made, first += length;
  }
  return unfinished;
}

}  // namespace gk

#include <algorithm>
#include <cmath>
#include <vector>

#include "intrinsic.h"

namespace gk {
namespace {

constexpr double kPi = 3.14159265358979323846;

struct Side {
  int64_t high, side;  // the higher vertex of its edge
  bool operator<(const Side& o) const { return high != o.high ? high < o.high : side < o.side; }
};

int64_t origin(const FaceList& in, int64_t side) { return in.faces[side]; }
int64_t target(const FaceList& in, int64_t side) { return in.faces[side % 3 == 2 ? side - 2 : side + 1]; }
int64_t apex(const FaceList& in, int64_t side) { return in.faces[side % 3 == 0 ? side + 2 : side - 1]; }

// Calls act(low, first, last) with the sides of every edge, edges in ascending order of their lower and higher vertices.
template <class F> void for_each_edge(const FaceList& in, F&& act) {
  const int64_t sides = 3 * in.count;
  std::vector<int64_t> begins(in.vertices + 1, 0);
  for (int64_t h = 0; h < sides; ++h) ++begins[std::min(origin(in, h), target(in, h))];
  int64_t sum = 0;
  for (int64_t& begin : begins) sum += begin, begin = sum - begin;
  std::vector<Side> sorted(sides);
  for (int64_t h = 0; h < sides; ++h) {
    const int64_t a = origin(in, h), b = target(in, h);
    sorted[begins[std::min(a, b)]++] = {std::max(a, b), h};
  }
  int64_t begin = 0;
  for (int64_t low = 0; low < in.vertices; ++low) {
    const int64_t end = begins[low];
    std::sort(sorted.begin() + begin, sorted.begin() + end);
    while (begin < end) {
      int64_t last = begin + 1;
      while (last < end && sorted[last].high == sorted[begin].high) ++last;
      act(low, sorted.data() + begin, sorted.data() + last);
      begin = last;
    }
  }
}

struct Vector {
  double x, y, z;
};
Vector at(const double* places, int64_t v) { return {places[3 * v], places[3 * v + 1], places[3 * v + 2]}; }
Vector operator-(const Vector& a, const Vector& b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
double dot(const Vector& a, const Vector& b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
Vector cross(const Vector& a, const Vector& b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }
double length(const Vector& a) { return std::sqrt(dot(a, a)); }

// Sorts sides of one edge by the angle of their faces about it, counter-clockwise seen from the higher vertex.
void sort_by_angle(const FaceList& in, const double* places, int64_t low, Side* first, Side* last) {
  const Vector base = at(places, low);
  Vector axis = at(places, first->high) - base;
  const double size = length(axis);
  if (size > 0) axis = {axis.x / size, axis.y / size, axis.z / size};
  const double x = std::fabs(axis.x), y = std::fabs(axis.y), z = std::fabs(axis.z);
  const Vector other = x <= y && x <= z ? Vector{1, 0, 0} : y <= z ? Vector{0, 1, 0} : Vector{0, 0, 1};
  const Vector a = cross(other, axis), b = cross(axis, a);
  std::vector<std::pair<double, Side>> angles;
  for (Side* s = first; s != last; ++s) {
    const Vector out = at(places, apex(in, s->side)) - base;
    double angle = std::atan2(dot(b, out), dot(a, out));
    if (angle == kPi) angle = -kPi;
    angles.push_back({angle, *s});
  }
  std::sort(angles.begin(), angles.end());
  for (size_t i = 0; i < angles.size(); ++i) first[i] = angles[i].second;
}

}  // namespace

bool glue_closed(const FaceList& in, int64_t* glue) {
  bool closed = true;
  for_each_edge(in, [&](int64_t low, const Side* first, const Side* last) {
    closed = closed && last - first == 2 && low != first->high && (origin(in, first[0].side) == low) != (origin(in, first[1].side) == low);
    if (closed) glue[first[0].side] = first[1].side, glue[first[1].side] = first[0].side;
  });
  return closed;
}

void glue_tufted(const FaceList& in, const double* places, int64_t* cover, int64_t* glue) {
  constexpr int kTurned[3] = {0, 2, 1};
  for (int64_t f = 0; f < in.count; ++f)
    for (int c = 0; c < 3; ++c) cover[3 * f + c] = in.faces[3 * f + c], cover[3 * (in.count + f) + c] = in.faces[3 * f + kTurned[c]];
  const auto back = [&](int64_t side) { return 3 * (in.count + side / 3) + 2 - side % 3; };
  for_each_edge(in, [&](int64_t low, Side* first, Side* last) {
    const int64_t count = last - first;
    if (count > 2) sort_by_angle(in, places, low, first, last);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t one = first[i].side, next = first[(i + 1) % count].side;
      const int64_t looking_on = origin(in, one) == low ? one : back(one);  // its normal points to greater angles
      const int64_t looking_back = origin(in, next) == low ? back(next) : next;
      glue[looking_on] = looking_back, glue[looking_back] = looking_on;
    }
  });
}

double mean_edge_length(const FaceList& in, const double* places) {
  double sum = 0;
  int64_t count = 0;
  for_each_edge(in, [&](int64_t low, const Side* first, const Side*) { sum += length(at(places, first->high) - at(places, low)), ++count; });
  return count ? sum / double(count) : 0;
}

void mollified_lengths(const FaceList& in, const double* places, double slack, double* lengths) {
  double most = 0;
  for (int64_t f = 0; f < in.count; ++f) {
    double* l = lengths + 3 * f;
    for (int s = 0; s < 3; ++s) l[s] = length(at(places, target(in, 3 * f + s)) - at(places, origin(in, 3 * f + s)));
    for (int s = 0; s < 3; ++s) most = std::max(most, l[s] - l[(s + 1) % 3] - l[(s + 2) % 3] + slack);
  }
  if (most > 0)
    for (int64_t i = 0; i < 3 * in.count; ++i) lengths[i] += most;
}

}  // namespace gk

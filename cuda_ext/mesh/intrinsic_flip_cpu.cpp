#include <algorithm>
#include <cmath>
#include <vector>

#include "intrinsic.h"

namespace gk {
namespace {

constexpr double kFlat = 1e-8;         // doubled area over squared longest side, below which a face counts as this flat
constexpr double kDelaunay = 1e-10;    // sums of cotangents above its negative are rounding
constexpr int64_t kMostFlips = 1000;   // a face: never seen; rounding must not keep two edges flipping each other

// Twice the area of a triangle by its sides, accurate for needles (Kahan 2014).
double doubled_area(const double* l) {
  double a = l[0], b = l[1], c = l[2];
  if (a < b) std::swap(a, b);
  if (b < c) std::swap(b, c);
  if (a < b) std::swap(a, b);
  const double one = (a + (b + c)) * (a + (b - c)), other = std::max(0.0, c - (a - b)) * (c + (a - b));
  return std::sqrt(one) * std::sqrt(other) / 2;
}

// The same, but at least that of a flat face, and positive.
double divisor(const double* l, double doubled) {
  const double longest = std::max(l[0], std::max(l[1], l[2]));
  return longest > 0 ? std::max(doubled, kFlat * longest * longest) : 1;
}

int64_t next(int64_t side) { return side % 3 == 2 ? side - 2 : side + 1; }

// By insertion: the sides around a vertex are a dozen or two.
void sort_few(uint64_t* first, uint64_t* last) {
  if (last - first > 64) return std::sort(first, last);
  for (uint64_t* at = first; at < last; ++at) {
    const uint64_t value = *at;
    uint64_t* to = at;
    for (; to > first && to[-1] > value; --to) *to = to[-1];
    *to = value;
  }
}

// The flips of one surface.
struct Flipping {
  int64_t* faces;
  double* lengths;
  int64_t* glue;
  std::vector<double> doubled;  // a face
  std::vector<int64_t> waiting;

  void measure(int64_t face) { doubled[face] = divisor(lengths + 3 * face, doubled_area(lengths + 3 * face)); }

  // Of the angle opposite to a side.
  double cotangent(int64_t side) const {
    const double a = lengths[side], b = lengths[next(side)], c = lengths[next(next(side))];
    return (b * b + c * c - a * a) / (2 * doubled[side / 3]);
  }

  bool flip_if_needed(int64_t h) {
    const int64_t g = glue[h], f0 = h / 3, f1 = g / 3;
    if (f0 == f1 || !(cotangent(h) + cotangent(g) < -kDelaunay)) return false;
    // f0 is u v p and f1 is v u q; they become u q p and v p q.
    const int64_t vp = next(h), pu = next(vp), uq = next(g), qv = next(uq);
    const int64_t u = faces[h], v = faces[vp], p = faces[pu], q = faces[qv];
    const double l = lengths[h], l_vp = lengths[vp], l_pu = lengths[pu], l_uq = lengths[uq], l_qv = lengths[qv];
    // u lies at the origin and v on the first axis.
    const double along = ((l_pu - l_uq) * (l_pu + l_uq) - (l_vp - l_qv) * (l_vp + l_qv)) / (2 * l);
    const double across = (doubled[f0] + doubled[f1]) / l;
    const double crossing = std::sqrt(along * along + across * across);
    if (!std::isfinite(crossing)) return false;

    const int64_t before[4] = {uq, pu, vp, qv}, after[4] = {3 * f0, 3 * f0 + 2, 3 * f1, 3 * f1 + 2};
    int64_t neighbor[4];
    for (int i = 0; i < 4; ++i) {
      neighbor[i] = glue[before[i]];
      for (int j = 0; j < 4; ++j)
        if (glue[before[i]] == before[j]) neighbor[i] = after[j];
    }
    for (int i = 0; i < 4; ++i) glue[after[i]] = neighbor[i], glue[neighbor[i]] = after[i];
    glue[3 * f0 + 1] = 3 * f1 + 1, glue[3 * f1 + 1] = 3 * f0 + 1;
    const int64_t first[3] = {u, q, p}, second[3] = {v, p, q};
    const double first_lengths[3] = {l_uq, crossing, l_pu}, second_lengths[3] = {l_vp, crossing, l_qv};
    std::copy(first, first + 3, faces + 3 * f0), std::copy(second, second + 3, faces + 3 * f1);
    std::copy(first_lengths, first_lengths + 3, lengths + 3 * f0), std::copy(second_lengths, second_lengths + 3, lengths + 3 * f1);
    measure(f0), measure(f1);
    waiting.insert(waiting.end(), after, after + 4);  // all that moved: nothing that waits is forgotten
    return true;
  }
};

}  // namespace

int64_t flip_to_delaunay(int64_t count, int64_t* faces, double* lengths, int64_t* glue) {
  Flipping at = {faces, lengths, glue, std::vector<double>(count), {}};
  for (int64_t f = 0; f < count; ++f) at.measure(f);
  int64_t flips = 0;
  for (int64_t h = 0; h < 3 * count; ++h) {
    at.waiting.push_back(h);
    while (!at.waiting.empty() && flips < kMostFlips * count) {
      const int64_t side = at.waiting.back();
      at.waiting.pop_back();
      flips += at.flip_if_needed(side);
    }
  }
  return flips;
}

void length_cotangents(int64_t count, const double* lengths, double* cotangents, double* doubled) {
  for (int64_t f = 0; f < count; ++f) {
    const double* l = lengths + 3 * f;
    doubled[f] = doubled_area(l);
    const double scale = 1 / (2 * divisor(l, doubled[f])), a = l[0] * l[0], b = l[1] * l[1], c = l[2] * l[2];
    cotangents[3 * f] = (a + c - b) * scale;  // side b lies opposite to corner 0
    cotangents[3 * f + 1] = (a + b - c) * scale;
    cotangents[3 * f + 2] = (b + c - a) * scale;
  }
}

void edge_entries(const FaceList& in, int64_t* offsets, int64_t* columns, int64_t* slots, int64_t* diagonal) {
  std::vector<int64_t> begins(in.vertices + 1, 0);
  for (int64_t h = 0; h < 3 * in.count; ++h) begins[in.faces[h]] += 2;  // a side leaves and a side reaches it
  int64_t sum = 0;
  for (int64_t& begin : begins) sum += begin, begin = sum - begin;
  std::vector<uint64_t> entries(sum);  // the column above, the slot below: both fit 32 bits
  std::vector<int64_t> ends(begins.begin(), begins.end() - 1);
  for (int64_t f = 0; f < in.count; ++f)
    for (int c = 0; c < 3; ++c) {
      const int64_t h = 3 * f + c, i = in.faces[h], j = in.faces[c == 2 ? h - 2 : h + 1];
      entries[ends[i]++] = uint64_t(j) << 32 | uint64_t(2 * h);
      entries[ends[j]++] = uint64_t(i) << 32 | uint64_t(2 * h + 1);
    }
  int64_t used = 0;
  for (int64_t v = 0; v < in.vertices; ++v) {
    offsets[v] = used;
    uint64_t *e = entries.data() + begins[v], *last = entries.data() + ends[v];
    sort_few(e, last);
    bool own = false;
    while (e != last) {
      const uint64_t column = *e >> 32;
      if (!own && column >= uint64_t(v)) {
        own = true, diagonal[v] = used;
        if (column > uint64_t(v)) columns[used++] = v;
      }
      columns[used] = int64_t(column);
      for (; e != last && *e >> 32 == column; ++e) slots[*e & 0xffffffff] = used;
      ++used;
    }
    if (!own) diagonal[v] = used, columns[used++] = v;
  }
  offsets[in.vertices] = used;
}

}  // namespace gk

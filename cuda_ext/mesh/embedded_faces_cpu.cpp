#include "embedded_faces.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../cpu/parallel.h"

namespace gk {
namespace {

struct Best {
  double square;
  int64_t face;
  double b, c;  // weights of the second and the third corner
};

double share(double part, double whole) { return whole > 0 ? std::clamp(part / whole, 0., 1.) : 0.; }

// The point of a triangle a, b, c nearest to a query q: squared distances to the corners and between them say all.
void project(const double qa, const double qb, const double qc, const double* opposite, int64_t face, Best& best) {
  const double bc = opposite[0], ca = opposite[1], ab = opposite[2];
  const double across = (ab + ca - bc) / 2;                                // of b - a and c - a
  const double along_b = (qa + ab - qb) / 2, along_c = (qa + ca - qc) / 2;  // of q - a with these
  const auto consider = [&](double b, double c) {
    const double square = std::max(qa - 2 * (b * along_b + c * along_c) + b * b * ab + c * c * ca + 2 * b * c * across, 0.);
    if (square < best.square || (square == best.square && face < best.face)) best = {square, face, b, c};
  };
  const double area = ab * ca - across * across;
  if (area > 1e-12 * ab * ca) {
    const double b = (ca * along_b - across * along_c) / area, c = (ab * along_c - across * along_b) / area;
    if (b >= 0 && c >= 0 && b + c <= 1) return consider(b, c);
  }
  const double on_bc = share(along_c - along_b - across + ab, bc);
  consider(share(along_b, ab), 0);
  consider(0, share(along_c, ca));
  consider(1 - on_bc, on_bc);
}

void nearest_in_faces_of(const EmbeddedFaces& s, const double* squares, int64_t* found, double* weights) {
  int64_t nearest = -1;
  for (int64_t v = 0; v < s.vertices; ++v)
    if (s.around_first[v] < s.around_first[v + 1] && (nearest < 0 || squares[v] < squares[nearest])) nearest = v;
  Best best = {std::numeric_limits<double>::infinity(), std::numeric_limits<int64_t>::max(), 0, 0};
  double bound = 0;
  const auto look_at = [&](int64_t face) {
    const int64_t* c = s.corners + 3 * face;
    project(squares[c[0]], squares[c[1]], squares[c[2]], s.opposite + 3 * face, face, best);
    bound = std::sqrt(best.square) * (1 + 1e-9) + 1e-12;
  };
  for (int64_t i = s.around_first[nearest]; i < s.around_first[nearest + 1]; ++i) look_at(s.around[i]);
  const auto out_of_reach = [&](double square, double reach) { return square > (bound + reach) * (bound + reach); };
  for (int64_t v = 0; v < s.vertices; ++v) {
    if (out_of_reach(squares[v], s.vertex_reach[v])) continue;
    for (int64_t face = s.first[v]; face < s.first[v + 1]; ++face) {
      const int64_t* c = s.corners + 3 * face;
      const double* reach = s.reach + 3 * face;
      if (out_of_reach(squares[v], reach[0]) || out_of_reach(squares[c[1]], reach[1]) || out_of_reach(squares[c[2]], reach[2])) continue;
      look_at(face);
    }
  }
  *found = best.face;
  weights[0] = 1 - best.b - best.c, weights[1] = best.b, weights[2] = best.c;
}

}  // namespace

void nearest_in_faces(const EmbeddedFaces& surface, int64_t queries, const double* squares, int64_t* found, double* weights) {
#pragma omp parallel for schedule(static) if (queries * surface.vertices > kParallelWork)
  for (int64_t q = 0; q < queries; ++q) nearest_in_faces_of(surface, squares + q * surface.vertices, found + q, weights + 3 * q);
}

}  // namespace gk

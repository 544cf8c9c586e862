// Distances along a surface from many sources at once, by spherical fronts: each edge with two known distances stands for
// a source in the plane of the next triangle, or of the next two, that saw it (Novotni and Klein, "Computing geodesic
// distances on triangular meshes", 2002). Contract.
//
// Lengths should be about 1 (divide by the mean edge): distances reach up to kUnreached.
#pragma once
#include <cstdint>

namespace gk {

constexpr double kUnreached = 1e15;
constexpr int kFrontIds = 4, kFrontShape = 16, kLastOfFan = 8;

// Every corner of every face, grouped by its vertex p, as what p may be reached from: the opposite edge a b, and the
// vertex e beyond it. In the plane of p and the edge, a is the origin and b = (|ab|, 0), p above and e below.
template <class T> struct FrontCorners {
  int64_t vertices;
  const int32_t* offsets;  // (V + 1) of the vertices' corners
  const int32_t* ids;      // (C, 4) a, b, e or -1, and bits 1, 2, 4: a triangle's angle at a, b, e is obtuse;
                           // kLastOfFan: no other corner of p has b as its a
  const T* shapes;         // (C, 16) |ab|, 1 / (2 |ab|), p (2), |ap|, |bp|, e (2), then of the edges a e and e b each:
                           // length, 1 / (2 length), unit direction (2); for |ab| = 0 the inverse is 0
};

// Column k starts from the vertices seeds[seed_offsets[k] : seed_offsets[k + 1]] with their distances `starts`.
template <class T> struct FrontSeeds {
  int64_t columns;
  const int64_t* offsets;  // (K + 1)
  const int32_t* seeds;    // (S)
  const T* starts;         // (S) >= 0
};

// distances (K, V), at least kUnreached where nothing leads. Sixteen columns in a row that start at neighbouring places
// walk together, which is some times as quick; others walk alone. False where it does not end, which is not expected.
template <class T> bool march_fronts(const FrontCorners<T>& corners, const FrontSeeds<T>& seeds, T* distances);

}  // namespace gk

// Nearest points on triangles embedded in any number of dimensions, from squared distances alone: contract.
#pragma once
#include <cstdint>

namespace gk {

// A surface of `faces` triangles between `vertices`. corners (F, 3) int64, ordered by their first; first (V + 1), the
// faces with first corner v are first[v] to first[v + 1]. opposite (F, 3), squared lengths of the edges opposite to the
// corners. reach (F, 3), the largest distance of a point of the face from each corner. around (3 F) and around_first
// (V + 1), the faces at every vertex. vertex_reach (V), the largest reach of a face from its first corner v.
struct EmbeddedFaces {
  int64_t vertices, faces;
  const int64_t *corners, *first;
  const double *opposite, *reach;
  const int64_t *around, *around_first;
  const double* vertex_reach;
};

// For every query, of squared distances (Q, V) to the vertices, the face (Q) whose nearest point is nearest, of the lowest
// index among equals, and the weights (Q, 3) of its corners. At least one face.
void nearest_in_faces(const EmbeddedFaces& surface, int64_t queries, const double* squares, int64_t* found, double* weights);

}  // namespace gk

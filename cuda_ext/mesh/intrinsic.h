// Triangles by the lengths of their sides alone: contract. Side 3 f + s of face f runs from its corner s to its corner
// s + 1 (mod 3). Two sides are glued when each is `glue` of the other; they then run in opposite directions.
#pragma once
#include <cstdint>

namespace gk {

struct FaceList {
  int64_t vertices, count;
  const int64_t* faces;  // (F, 3), each below `vertices`
};

// Whether every edge has exactly two sides, of opposite directions: then glue (3F) pairs them, and no cover is needed.
bool glue_closed(const FaceList& in, int64_t* glue);

// The tufted cover (Sharp, Crane 2020): every face twice, front and back, cover (2F, 3), the back of face f being face
// F + f with its corners 0, 2, 1. Around an edge the front of one face is glued to the next one's side that looks at it, in
// the order of their angles about the edge; places (V, 3). glue (6F).
void glue_tufted(const FaceList& in, const double* places, int64_t* cover, int64_t* glue);

// The mean length of the edges, each counted once.
double mean_edge_length(const FaceList& in, const double* places);

// lengths (F, 3) of the sides, all longer by the least number that makes every triangle inequality hold by `slack`.
void mollified_lengths(const FaceList& in, const double* places, double slack, double* lengths);

// Flips edges until all are Delaunay: until no two opposite angles add up to more than pi. faces, lengths (F, 3) and
// glue (3F), all glued, are changed in place. Returns the number of flips.
int64_t flip_to_delaunay(int64_t count, int64_t* faces, double* lengths, int64_t* glue);

// cotangents (F, 3) of the angles at the corners, bounded as those of flat faces must be, and doubled areas (F).
void length_cotangents(int64_t count, const double* lengths, double* cotangents, double* doubled);

// The entries of a symmetric matrix on the vertices and edges of faces, row by row: offsets (V + 1); columns, ascending,
// room for V + 6F, of which offsets[V] are used; slots (F, 3, 2), where entries (i, j) and (j, i) of a side from i to j
// are; diagonal (V), where entries (i, i) are.
void edge_entries(const FaceList& in, int64_t* offsets, int64_t* columns, int64_t* slots, int64_t* diagonal);

}  // namespace gk

// Polygons cut into triangles: contract.
#pragma once
#include <cstdint>

namespace gk {

// F polygons of lengths (F,) corners; items (N,) name the vertices (V, 3) of the corners. A polygon is cut as a fan from
// its first corner where that turns no triangle over, a quadrilateral otherwise along its other diagonal, a larger one by
// clipping ears. triangles (T, 3), T the sum of length - 2: places in items.
// Ears are clipped while `effort` (tests of a corner against an ear) lasts; returns how many polygons it did not last for,
// which are fans.
struct Polygons {
  int64_t count;
  const int32_t *lengths, *items;
  const double* vertices;
  int64_t effort;
};
int64_t triangulate_polygons(const Polygons& polygons, int64_t* triangles);

}  // namespace gk

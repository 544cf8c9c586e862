// Internal to draw_triangles: barycentrics and depth of the pixels whose faces are known.
#pragma once
#include "triangles.h"

namespace gk {

// Reads row y of out.face_ids, writes that row of the rest.
template <class T> void see_row(const TriangleInput<T>& in, const TriangleOutput<T>& out, int64_t y);

}  // namespace gk

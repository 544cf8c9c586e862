// Internal to draw_triangles: barycentrics and depth of the pixels whose faces are known.
#pragma once
#include "triangles.h"

namespace gk {

// Reads out.face_ids, writes the rest.
template <class T> void see_pixels(const TriangleInput<T>& in, const TriangleOutput<T>& out);

}  // namespace gk

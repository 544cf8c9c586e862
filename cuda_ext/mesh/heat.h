// The inner step of the heat method (Crane, Weischedel and Wardetzky, "Geodesics in heat", 2013): contract.
#pragma once
#include <cstdint>

namespace gk {

// heat (V, K): K functions, a vertex's values beside each other. flow (V, K): the integrated divergence, at every vertex,
// of the unit vectors along each function's gradient on the faces; a face where it is flat has none.
// faces (F, 3). hats (F, 6): the gradients (2) of the hat functions of a face's corners in its own plane, times its area.
template <class T>
void heat_flow(int64_t vertices, int64_t faces, int64_t columns, const int32_t* corners, const T* hats, const T* heat, T* flow);

}  // namespace gk

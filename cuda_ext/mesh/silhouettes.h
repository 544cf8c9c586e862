// Silhouettes of a mesh in a picture, and pixels blended across them: contract.
//
// A silhouette edge has one face, or two that lie on one side of the plane through the camera and the edge. It is followed
// along the lines of pixel centres that it crosses, rows and columns. A crossing lies between the centres of two neighbouring
// pixels; the one on the surface's side is the inner one. Where the crossing is further than half a pixel from the inner
// centre, the outer pixel takes that much of the inner one's colour, where it is nearer, the inner one takes of the outer's.
// So the sum along the line is what the crossing says, and its derivative by the edge's ends is exact. Rows and columns each
// say all of this; they share it by the squares of the components of the edge's normal in the picture. (The blend is that of
// Laine et al. 2020, "Modular primitives for high-performance differentiable rendering", section 3.4; there edges are looked
// for in the faces that pixel centres see, here every edge of the mesh is followed, so that faces much smaller than a pixel
// keep their silhouettes.)
#pragma once
#include <cstdint>

namespace gk {

template <class T> struct SilhouetteView {
  int64_t vertices, edges;  // V, E
  int64_t width, height;    // pixels
  const T* points;          // (V, 3), camera space: x right, y down, z forward
  const int64_t* ends;      // (E, 4): the edge's two vertices, then the third vertex of its first face and of its second,
                            // -1 where there is no second
  T fx, fy, cx, cy;         // pixels
  T near_plane;             // > 0
};

// crossings (2, H, W): for each pixel with its right, then with its lower neighbour: 0 where no visible silhouette
// crosses between their centres, i + 1 where edge i does with its surface on the pixel's side, -(i + 1) on the neighbour's.
// Returns -1, or the first edge that names a vertex that is not there.
template <class T>
int64_t find_crossings(const SilhouetteView<T>& view, const int64_t* face_ids, const T* depth, int32_t* crossings);

// image and result (H, W, C). Both return -1, or the first pixel whose crossing names an edge that is not there.
template <class T>
int64_t antialias(const SilhouetteView<T>& view, const int32_t* crossings, const T* image, int64_t channels, T* result);
template <class T>
int64_t antialias_backward(const SilhouetteView<T>& view, const int32_t* crossings, const T* image, int64_t channels, const T* result_bar,
                           T* image_bar, T* points_bar);

}  // namespace gk

// Triangles drawn into a depth buffer: contract.
//
// A pixel shows the triangle that covers its centre nearest to the camera; of equally near ones the one of lower index.
// Corners are rounded to a fine grid (1/256 of a pixel or finer) and covered pixels found in integers with the top-left
// rule, so triangles that share an edge cover every pixel along it exactly once. What is behind the near plane is clipped.
// Barycentrics (perspective-correct) and depth are those of the unrounded triangle.
#pragma once
#include <cstdint>

namespace gk {

constexpr int64_t kLargestPicture = 1 << 15;  // pixels along one side

template <class T> struct TriangleInput {
  int64_t vertices, faces;  // V, F
  int64_t width, height;    // pixels
  const T* points;          // (V, 3), camera space: x right, y down, z forward
  const int64_t* corners;   // (F, 3), indices of points
  const T* intrinsics;      // (4,), fx fy cx cy
  T near_plane;             // > 0
  bool cull_back_faces;     // leave out triangles whose corners do not turn counter-clockwise as seen
  T fx, fy, cx, cy;         // pixels, read from the intrinsics; the centre of the first pixel is (0.5, 0.5)
};

template <class T> struct TriangleOutput {
  int64_t* face_ids;  // (H, W), -1 where nothing is seen
  T* barycentrics;    // (H, W, 3), 0 where nothing is seen
  T* depth;           // (H, W), 0 where nothing is seen
  int64_t* wrong;     // (1,), F at first: becomes the first face that names a vertex that is not there, the rest is then unfinished
  int64_t* scratch;   // draw_scratch values, 0 at first
};

template <class T> struct TriangleCotangent {
  const int64_t* face_ids;  // (H, W), of the forward pass
  const T* barycentrics;    // (H, W, 3)
  const T* depth;           // (H, W)
};

template <class T> int64_t draw_scratch(const TriangleInput<T>& in);
template <class T> void draw_triangles(const TriangleInput<T>& in, const TriangleOutput<T>& out);
template <class T> void draw_triangles_backward(const TriangleInput<T>& in, const TriangleCotangent<T>& bar, T* points_bar);  // (V, 3)

// Values at the vertices carried to the pixels, sum_i barycentrics_i attributes[corner_i], and back.
template <class T> struct InterpolateInput {
  int64_t vertices, faces, pixels, channels;  // V, F, P, C
  const T* attributes;                        // (V, C)
  const int64_t* corners;                     // (F, 3)
  const int64_t* face_ids;                    // (P,)
  const T* barycentrics;                      // (P, 3)
};
// values (P, C). wrong (1,), P at first: becomes the first pixel whose face or vertex is not there.
template <class T> void interpolate(const InterpolateInput<T>& in, T* values, int64_t* wrong);
// attributes_bar (V, C), barycentrics_bar (P, 3); of a picture that `interpolate` has found right.
template <class T> void interpolate_backward(const InterpolateInput<T>& in, const T* values_bar, T* attributes_bar, T* barycentrics_bar);

namespace cuda {
template <class T> int64_t draw_scratch(const TriangleInput<T>& in);
template <class T> void draw_triangles(const TriangleInput<T>& in, const TriangleOutput<T>& out);
template <class T> void interpolate(const InterpolateInput<T>& in, T* values, int64_t* wrong);
// Gradients by vertices are added to what is in points_bar or attributes_bar, in no particular order. The `rows` are what
// is added, by pixel and corner, for those who add in an order of their own: (P, 3, 3) and (P, 3, C), 0 where nothing is seen.
template <class T> void draw_triangles_backward(const TriangleInput<T>& in, const TriangleCotangent<T>& bar, T* points_bar);
template <class T> void draw_triangles_rows(const TriangleInput<T>& in, const TriangleCotangent<T>& bar, T* rows);
template <class T> void interpolate_backward(const InterpolateInput<T>& in, const T* values_bar, T* attributes_bar, T* barycentrics_bar);
template <class T> void interpolate_rows(const InterpolateInput<T>& in, const T* values_bar, T* rows, T* barycentrics_bar);
}  // namespace cuda

}  // namespace gk

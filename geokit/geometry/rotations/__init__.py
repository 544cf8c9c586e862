"""Rotations: their representations, the maps between them, distances and samples.

Everywhere: batches by any leading dimensions; float32 and float64, the result in the argument's own; angles in
radians; a matrix acts on columns, v -> R v; quaternions are (w, x, y, z). Shapes and dtypes are checked and raise
`InvalidInput`. Values are not: asking whether one of a million vectors is zero would stall a GPU at every step of a
training. Instead each map says what it makes of degenerate values, always a rotation, and every gradient is finite.
"""

from geokit.geometry.rotations.axis_angle import (
    axis_angle_from_matrix,
    axis_angle_from_quaternion,
    left_jacobian,
    matrix_from_axis_angle,
    quaternion_from_axis_angle,
    skew_matrix,
    vector_from_skew,
)
from geokit.geometry.rotations.continuous import (
    gram_schmidt,
    matrix_from_reduced,
    matrix_from_rotation_5d,
    matrix_from_rotation_6d,
    normalized_projection,
    reduced_from_matrix,
    rotation_5d_from_matrix,
    rotation_6d_from_matrix,
    stereographic_unprojection,
)
from geokit.geometry.rotations.euler import CONVENTIONS, euler_from_matrix, matrix_from_euler
from geokit.geometry.rotations.measures import geodesic_distance, random_rotations, rotation_angle, slerp
from geokit.geometry.rotations.procrustes import nearest_rotation
from geokit.geometry.rotations.quaternions import (
    matrix_from_quaternion,
    quaternion_conjugate,
    quaternion_from_matrix,
    quaternion_product,
    rotate_by_quaternion,
)

__all__ = [
    "CONVENTIONS",
    "axis_angle_from_matrix",
    "axis_angle_from_quaternion",
    "euler_from_matrix",
    "geodesic_distance",
    "gram_schmidt",
    "left_jacobian",
    "matrix_from_axis_angle",
    "matrix_from_euler",
    "matrix_from_quaternion",
    "matrix_from_reduced",
    "matrix_from_rotation_5d",
    "matrix_from_rotation_6d",
    "nearest_rotation",
    "normalized_projection",
    "quaternion_conjugate",
    "quaternion_from_axis_angle",
    "quaternion_from_matrix",
    "quaternion_product",
    "random_rotations",
    "reduced_from_matrix",
    "rotate_by_quaternion",
    "rotation_5d_from_matrix",
    "rotation_6d_from_matrix",
    "rotation_angle",
    "skew_matrix",
    "slerp",
    "stereographic_unprojection",
    "vector_from_skew",
]

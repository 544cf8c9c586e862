"""Matrix Lie groups, their decompositions and samples, and what is built on them."""

from geokit.equivariant.lie.affine import Affine
from geokit.equivariant.lie.canonical import Frames, canonical_points
from geokit.equivariant.lie.convolution import GroupConv2d, LiftingConv2d
from geokit.equivariant.lie.euclidean import SE
from geokit.equivariant.lie.general_linear import GLPlus
from geokit.equivariant.lie.group import LieGroup
from geokit.equivariant.lie.group_network import GroupConvNet
from geokit.equivariant.lie.linear import LinearGroup
from geokit.equivariant.lie.network import AffineConvNet
from geokit.equivariant.lie.orthogonal import SO, O
from geokit.equivariant.lie.point_layers import PointGroupConvolution, PointLifting
from geokit.equivariant.lie.points import invariant_readout, neighborhood
from geokit.equivariant.lie.polar import polar
from geokit.equivariant.lie.poses import class_scores, joint_loss, learn_prior
from geokit.equivariant.lie.positive_definite import SPD
from geokit.equivariant.lie.rotation_sets import rotation_set
from geokit.equivariant.lie.sampling import SampleSet, sample_set
from geokit.equivariant.lie.similarity import CSO, Sim
from geokit.equivariant.lie.special_linear import SL

__all__ = [
    "CSO",
    "SE",
    "SL",
    "SO",
    "SPD",
    "Affine",
    "AffineConvNet",
    "Frames",
    "GLPlus",
    "GroupConv2d",
    "GroupConvNet",
    "LieGroup",
    "LiftingConv2d",
    "LinearGroup",
    "O",
    "PointGroupConvolution",
    "PointLifting",
    "SampleSet",
    "Sim",
    "canonical_points",
    "class_scores",
    "invariant_readout",
    "joint_loss",
    "learn_prior",
    "neighborhood",
    "polar",
    "rotation_set",
    "sample_set",
]

"""Spectral geometry and functional maps: Laplacians, eigenfunctions, geodesics, correspondence between shapes."""

"""Slow, obvious float64 formulas that the native kernels are held against."""

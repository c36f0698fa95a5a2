"""A physics engine that any detector plugin can use; the only door to numba."""

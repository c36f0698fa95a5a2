"""Figures, numbers and the HTML page of a run; the only door to matplotlib."""

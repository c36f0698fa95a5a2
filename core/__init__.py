"""The framework: it knows no detector and no task; plugins bring them."""

"""Detectors that ship with intarsia; every module or folder here is a plugin."""

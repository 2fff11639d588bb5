"""Prediction with trained networks: windows of tracks, segments, ensembles, calibration."""

"""Cached steps from videos to a packed dataset: cut, poses, sequences, pack, dataset."""

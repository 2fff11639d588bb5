# For `make demo`: a small network that trains on the sample set in about a minute on two cores.
_base_ = ["datasets/mads.py", "training/small.py"]
model = dict(name="stgcn_small")

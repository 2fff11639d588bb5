# for `make demo`: a small network that learns the sample set in about a minute on two cores
_base_ = ["datasets/mads.py", "models/stgcn_small.py", "training/small.py"]

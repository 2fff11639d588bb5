# for `make demo`: a small network that learns the sample set in about a minute on two cores
_base_ = ["datasets/mads.py", "models/stgcn_small.py", "schedules/modern.py"]
sampling = dict(length=64)
train = dict(epochs=12, lr=0.4, warmup=20)

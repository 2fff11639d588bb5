# the KTH report's network at half its width, for the sample set
_base_ = ["datasets/mads.py", "models/stgcn-kth.py", "training/small.py"]
model = dict(base_channels=32, dropout=0.2)

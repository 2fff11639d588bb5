# the KTH report's network at half its width, for the sample set
_base_ = ["datasets/mads.py", "training/small.py"]
model = dict(name="stgcn-kth", base_channels=32, dropout=0.2)

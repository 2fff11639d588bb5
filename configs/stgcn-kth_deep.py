# KTH report: the deeper network.
_base_ = ["stgcn-kth_residual.py"]
model = dict(depth=12)

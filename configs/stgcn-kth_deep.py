# KTH report: the deeper plan
_base_ = ["stgcn-kth_residual.py"]
model = dict(depth=12)

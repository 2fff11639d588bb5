# KTH report, final table: spatial partition, residual layers, no dropout.
_base_ = ["datasets/kth.py", "training/kth.py"]
model = dict(name="stgcn-kth", partition="spatial", residual=True, edge_importance=False)
augment = dict(kth=0.5)

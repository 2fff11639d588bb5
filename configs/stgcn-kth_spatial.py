# KTH report, table 1: spatial partition, plain layers, dropout 0.5, no mask, no augmentation.
_base_ = ["datasets/kth.py", "training/kth.py"]
model = dict(
    name="stgcn-kth", partition="spatial", residual=False, edge_importance=False, layer_dropout=0.5
)

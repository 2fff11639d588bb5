# KTH report, table 1: distance partition, plain layers, dropout 0.5, no mask, no augmentation.
_base_ = ["datasets/kth.py", "training/kth.py"]
model = dict(
    name="stgcn-kth", partition="distance", residual=False, edge_importance=False, layer_dropout=0.5
)

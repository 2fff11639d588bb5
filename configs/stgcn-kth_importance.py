# KTH report, final table: the residual network with edge importance.
_base_ = ["stgcn-kth_residual.py"]
model = dict(edge_importance=True)

# KTH report, final table: spatial partition, plain layers, dropout, augmentation.
_base_ = ["stgcn-kth_spatial.py"]
augment = dict(kth=0.5)

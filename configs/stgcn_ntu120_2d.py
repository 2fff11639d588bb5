# ST-GCN on NTU120, 2-D, as in PYSKL and mmaction2; --streams selects another stream.
_base_ = ["datasets/ntu120_2d.py", "training/pyskl.py"]
model = dict(name="stgcn")

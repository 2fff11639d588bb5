# ST-GCN on NTU60, 2-D, as in PYSKL and mmaction2; --streams selects another stream.
_base_ = ["datasets/ntu60_2d.py", "training/pyskl.py"]
model = dict(name="stgcn")

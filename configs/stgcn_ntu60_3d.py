# ST-GCN on NTU60, 3-D, as in PYSKL and mmaction2; --streams selects another stream.
_base_ = ["datasets/ntu60.py", "training/pyskl.py"]
model = dict(name="stgcn")

# ST-GCN on NTU60, 2-D, as in PYSKL and mmaction2; --streams bone and so on for the other three
_base_ = ["datasets/ntu60_2d.py", "training/pyskl.py"]
model = dict(name="stgcn")

# ST-GCN on NTU120, 2-D, as in PYSKL and mmaction2; --streams bone and so on for the other three
_base_ = ["datasets/ntu120_2d.py", "training/pyskl.py"]
model = dict(name="stgcn")

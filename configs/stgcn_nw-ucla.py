# ST-GCN with half the channels and six stages on NW-UCLA.
_base_ = ["datasets/nw-ucla.py", "training/nw-ucla.py", "training/half-width.py"]
model = dict(name="stgcn")

# ST-GCN++ with half the channels and six stages on NW-UCLA
_base_ = ["datasets/nw-ucla.py", "training/nw-ucla.py"]
model = dict(
    name="stgcnpp",
    base_channels=32,
    num_stages=6,
    inflate_stages=[3, 5],
    down_stages=[3, 5],
    dropout=0.2,
)

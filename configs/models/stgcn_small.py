# ST-GCN at a quarter of the width and six stages: for small collections and small machines
model = dict(
    name="stgcn",
    base_channels=32,
    num_stages=6,
    inflate_stages=[3, 5],
    down_stages=[3, 5],
    dropout=0.2,
)

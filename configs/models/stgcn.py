# ST-GCN as in PYSKL: 10 stages, 64 to 256 channels, 3.1 million parameters
model = dict(name="stgcn")

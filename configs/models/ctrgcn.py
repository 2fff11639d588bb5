# CTR-GCN: a graph for every channel, 1.4 million parameters
model = dict(name="ctrgcn")

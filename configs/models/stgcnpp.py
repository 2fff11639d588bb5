# ST-GCN++: learnt adjacency, six temporal branches, 1.4 million parameters
model = dict(name="stgcnpp")

# the ST-GCN of the KTH report: spatial partition, residual layers, edge importance
model = dict(name="stgcn-kth")

# AAGCN; with attention=False what mmaction2 calls 2s-AGCN
model = dict(name="aagcn")

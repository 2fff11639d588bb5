# AAGCN without attention: what mmaction2 calls 2s-AGCN
model = dict(name="2s-agcn")

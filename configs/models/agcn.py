# 2s-AGCN as its authors published it: a fixed, a learnt and a data-dependent graph
model = dict(name="agcn")

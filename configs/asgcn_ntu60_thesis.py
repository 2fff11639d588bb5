# AS-GCN on five classes of NTU60 in batches of four: the MADS thesis (88.18 % xsub, 80.74 % xview).
_base_ = ["asgcn_ntu60.py"]
dataset = dict(classes=["A001", "A008", "A016", "A023", "A024"])
train = dict(batch_size=4)

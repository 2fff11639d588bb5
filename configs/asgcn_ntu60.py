# AS-GCN on NTU60; --split xview for the other protocol.
_base_ = ["datasets/ntu60.py", "training/asgcn.py"]
model = dict(name="asgcn")
dataset = dict(skeleton="ntu-25-thumb")
normalise = dict(mode="kinect-frame")
augment = dict(random_move=True)

# The configuration of the MADS thesis: 5-second clips, image coordinates, clips repeated to 300
# frames, BODY_25 joints.
_base_ = ["datasets/mads.py", "training/thesis.py"]
model = dict(name="stgcn")
dataset = dict(skeleton="body-25")
normalise = dict(mode="image")

# the MADS thesis's way: 5-second clips, image coordinates, repeat-padded to 300 frames, its BODY_25
# layout
_base_ = ["datasets/mads.py", "training/thesis.py"]
model = dict(name="stgcn")
dataset = dict(skeleton="body-25")
normalise = dict(mode="image")

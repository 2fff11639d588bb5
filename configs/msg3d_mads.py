# MS-G3D at a quarter of its width, for the sample set
_base_ = ["datasets/mads.py", "training/small.py"]
model = dict(name="msg3d", base_channels=24, gcn_scales=8, g3d_scales=4, dropout=0.2)

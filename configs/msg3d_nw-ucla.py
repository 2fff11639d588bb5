# MS-G3D with a quarter of the channels on NW-UCLA.
_base_ = ["datasets/nw-ucla.py", "training/nw-ucla.py"]
model = dict(name="msg3d", base_channels=24, gcn_scales=8, g3d_scales=4, dropout=0.2)

# MS-G3D on NTU60, 2-D, as in mmaction2's project.
_base_ = ["datasets/ntu60_2d.py", "training/pyskl.py"]
model = dict(name="msg3d")

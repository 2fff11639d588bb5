# MS-G3D on NTU60, 3-D, as in mmaction2's project.
_base_ = ["datasets/ntu60.py", "training/pyskl.py"]
model = dict(name="msg3d")

# MS-G3D on NTU60, 3-D, as in mmaction2's project
_base_ = ["datasets/ntu60.py", "models/msg3d.py", "training/pyskl.py"]

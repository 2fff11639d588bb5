# NTU60 with the bodies selected as in PYSKL.
_base_ = ["ntu60.py"]
dataset = dict(name="ntu60-denoised")

# NTU60 with the bodies chosen as by PYSKL
_base_ = ["ntu60.py"]
dataset = dict(name="ntu60-denoised")

# NTU RGB+D 120: as NTU60, 2-D.
_base_ = ["ntu60_2d.py"]
dataset = dict(name="ntu120")

# NTU RGB+D 120: as NTU60.
_base_ = ["ntu60.py"]
dataset = dict(name="ntu120")

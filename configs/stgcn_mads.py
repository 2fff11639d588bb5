# The default of `skelact train --dataset mads`.
_base_ = ["datasets/mads.py", "training/modern.py"]
model = dict(name="stgcn")

# the default of `skelact train --dataset mads`
_base_ = ["datasets/mads.py", "models/stgcn.py", "training/modern.py"]

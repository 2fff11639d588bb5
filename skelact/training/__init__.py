"""Training and evaluation of networks on packed datasets."""

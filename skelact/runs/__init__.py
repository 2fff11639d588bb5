"""What a user does with run folders: train, test, fuse, calibrate, sweep, compare, export."""

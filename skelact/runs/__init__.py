"""Jobs that write run folders or datasets: train, test, fuse, calibrate, sweep, report, export."""

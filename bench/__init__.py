"""`make bench`: this service beside the tutorial's design and beside the limits of the machine, in one run."""

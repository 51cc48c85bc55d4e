"""One file per question, peers started side by side, medians and ratios of one run."""

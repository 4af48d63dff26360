"""`tools/gpu_check.sh`: what Finery promises of a GPU, tried on one; without a GPU, tried on small shapes."""

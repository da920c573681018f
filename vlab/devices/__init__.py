"""Devices, one file each: plain registers, a wire to pull, a deadline on the clock."""

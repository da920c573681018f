"""The simulation model: behaviours, a TLB model, and constants from recorded runs."""

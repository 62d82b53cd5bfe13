"""Completes the OpenMMLab stack that directpose needs; imports nothing outside of itself."""

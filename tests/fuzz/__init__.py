"""Fuzzing of everything that reads what comes from outside, led by the lines that it reaches."""

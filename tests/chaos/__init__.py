"""Random faults against the real whole system, with a checker."""

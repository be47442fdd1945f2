"""The bootstrap protocol on real servers, one test for each row of the table of faults."""

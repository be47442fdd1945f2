"""The scenarios that are promised to be survived, the test of each, and the page that lists them."""

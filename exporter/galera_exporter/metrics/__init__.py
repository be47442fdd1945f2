"""What is published: the catalog and the collector over it."""

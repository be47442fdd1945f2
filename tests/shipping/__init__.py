"""What leaves the repository: the versions that it states, the packages that are cut from it, what they depend on."""

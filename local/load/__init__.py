"""Load on a world: a soak that fails at random, and a burst of one customer; both end with an account."""

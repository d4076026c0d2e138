"""A simulation of both regions from one seed: the runtime's code over simulated AWS, partners, clients."""

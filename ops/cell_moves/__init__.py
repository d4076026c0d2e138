"""Customers that move from one cell to another: the steps, and what each of them needs and does."""

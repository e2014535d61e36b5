"""Answers by name: beside each other on a page, their differences, what they agree on, sums, files and pictures."""

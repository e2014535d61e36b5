"""Texts as words and numbers, two of them aligned (never in a square), and what the kinds of comparing share."""

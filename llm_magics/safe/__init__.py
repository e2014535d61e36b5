"""Model text on a page: Markdown rebuilt from its syntax tree, formulas that only set, HTML behind a second wall."""

"""A key that exists nowhere else is given by every way there is, and looked for everywhere it must not come out."""

"""Functions as schemas that many servers take, and arguments that models wrote, read by such a schema."""

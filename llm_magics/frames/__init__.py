"""The dataframes of a namespace, their cells as plain data, and the SQL that only reads them."""

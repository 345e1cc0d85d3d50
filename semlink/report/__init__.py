"""Tables, plots, picture grids and HTML pages from the rows of a sweep or an evaluation."""

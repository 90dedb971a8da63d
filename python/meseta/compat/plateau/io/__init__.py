"""The interfaces to datasets: eager, iterators, dask."""

"""plateau's public interface over meseta: ``import meseta.compat.plateau as plateau``.

The modules, names, arguments and exceptions are plateau's (dataset metadata version 4); files are read and written by meseta.
Importing this package loads nothing else; its modules need pandas, pyarrow and minimalkv, those below ``io.dask`` dask as well.
"""

__all__ = ["__version__"]

#: The release of plateau whose behaviour is given.
__version__ = "4.7.0"

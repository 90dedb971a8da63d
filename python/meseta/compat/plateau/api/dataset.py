"""All interfaces to datasets."""

from ..core.common_metadata import *  # noqa: F403
from ..core.dataset import *  # noqa: F403
from ..core.factory import *  # noqa: F403
from ..core.index import *  # noqa: F403
from ..core.utils import *  # noqa: F403
from ..io.dask.bag import *  # noqa: F403
from ..io.dask.dataframe import *  # noqa: F403
from ..io.dask.delayed import *  # noqa: F403
from ..io.eager import *  # noqa: F403
from ..io.iter import *  # noqa: F403

"""Other people's logging, kept from telling what the URLs of HTTPS polling hold.

urllib3 writes every request line at debug, and the query of ours has the access key in it. A script may well switch
debug on.
"""

from __future__ import annotations

import logging
import re

_QUERY = re.compile(r"\?\S*")


def hide_queries() -> None:
    """Take the queries out of what urllib3 logs, from now on. Once is enough, and more does no harm."""
    logger = logging.getLogger("urllib3.connectionpool")
    if not any(isinstance(known, _Hidden) for known in logger.filters):
        logger.addFilter(_Hidden())


class _Hidden(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _QUERY.sub("?<redacted>", record.getMessage()), None
        return True

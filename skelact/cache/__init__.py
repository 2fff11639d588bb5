"""The cache: the result of every stage in <root>/<stage>/<key>/ beside a manifest.

The key is a hash of the content of the inputs and of the parameters that matter, so renaming a
video changes nothing and changing a parameter makes a new entry. An entry is written to a temporary
folder that is then renamed; a reader never sees an incomplete entry.
"""

from __future__ import annotations

from skelact.cache.entry import MANIFEST as MANIFEST
from skelact.cache.entry import CacheEntry as CacheEntry
from skelact.cache.entry import Stage as Stage
from skelact.cache.entry import key_of as key_of
from skelact.cache.hashes import check_unchanged as check_unchanged
from skelact.cache.store import CACHE_VARIABLE as CACHE_VARIABLE
from skelact.cache.store import Cache as Cache

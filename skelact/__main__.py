"""python -m skelact"""

import sys

from skelact.cli import main

sys.exit(main())

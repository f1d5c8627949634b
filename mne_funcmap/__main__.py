"""``python -m mne_funcmap``."""

import sys

from .cli import main

sys.exit(main())

"""`python -m keras_attention` is `keras-attention`."""

import sys

from keras_attention.cli import main

sys.exit(main())

"""``python -m mbfast.examples.foreign [FILE.png]``."""

from mbfast.examples.foreign import main

if __name__ == "__main__":
    main()

"""``python -m cowmodel``."""

from cowmodel.cli import main

if __name__ == "__main__":
    main()

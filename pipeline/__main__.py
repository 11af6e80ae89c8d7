"""`python -m pipeline` is `brushflow`."""

from pipeline.cli import main

if __name__ == "__main__":
    main()

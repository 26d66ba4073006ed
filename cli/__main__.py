"""`python -m cli` is `thumbnails`."""

from cli.main import main

if __name__ == "__main__":
    main()

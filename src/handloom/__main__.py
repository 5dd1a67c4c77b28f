"""``python -m handloom`` is the command line."""

if __name__ == "__main__":
    from handloom.cli.main import main

    main()

# What the program does when it is run: the last of its parts.

if __name__ == "__main__" and sys.argv[1] == "warm":
    warm(*sys.argv[2:])
elif __name__ == "__main__" and sys.argv[1] == "triggerer":
    triggerer(*sys.argv[2:])
elif __name__ == "__main__":
    try:
        import airflow  # noqa: F401
    except ImportError:
        print("Airflow is not installed in " + sys.executable, file=sys.stderr)
        sys.exit(3)
    if sys.argv[1] == "parse":
        parse(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(run(sys.argv[2]))

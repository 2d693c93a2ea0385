# Short names for what is done most often.
set positional-arguments

# Run the tests; arguments go to nextest, e.g. `just test -E 'test(resume)'`.
test *args:
    tests/run --quick "$@"

# Check formatting, lints and documentation.
lint:
    tests/run --lint

# Start a hub with an upstream and models of its own, on this machine alone.
demo:
    cargo run --release -- demo

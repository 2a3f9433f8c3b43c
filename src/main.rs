//! The thin binary: hands over to [`squelch::cli`].

fn main() -> std::process::ExitCode {
    squelch::cli::main()
}

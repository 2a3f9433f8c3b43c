//! Temporary front end for the scorer until the command line lands.
use squelch::cli::fingerprint::{FingerprintOptions, run};
fn main() -> std::io::Result<()> {
    let group = !std::env::args().any(|argument| argument == "--no-group");
    run(std::io::stdin().lock(), std::io::BufWriter::new(std::io::stdout().lock()), FingerprintOptions { group })
}

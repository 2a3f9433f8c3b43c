//! Writes an input to measure speed with to stdout: `speed_input KIND BYTES [SEED]`, always the same bytes for the same arguments.
//!
//! `cargo run --release --example speed_input -- storm 128MiB > storm.log`; kinds: storm, mixed, ordinary, unique, json, cri.

#![allow(clippy::print_stderr)] // a small program tells its user what it wants

use std::io::{self, Write as _};
use std::process::ExitCode;

use squelch::simulate::speed::{Kind, generate};
use squelch::units::parse_size;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let kind = arguments.first().and_then(|name| Kind::ALL.into_iter().find(|kind| kind.as_str() == name));
    let size = arguments.get(1).and_then(|size| parse_size(size).ok());
    let seed = arguments.get(2).map_or(Some(42), |seed| seed.parse().ok());
    let (Some(kind), Some(size), Some(seed)) = (kind, size, seed) else {
        eprintln!("usage: speed_input storm|mixed|ordinary|unique|json|cri BYTES [SEED]");
        return ExitCode::from(2);
    };
    match io::stdout().write_all(&generate(kind, size as usize, seed)) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader had enough, as `head` has.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write to stdout: {error}");
            ExitCode::FAILURE
        }
    }
}

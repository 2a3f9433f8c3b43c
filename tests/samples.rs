//! The sample logs are what the simulator makes, byte for byte.

use clap::Parser;
use squelch::cli::simulate::{SimulateArgs, run};

#[derive(Parser)]
struct Simulate {
    #[command(flatten)]
    args: SimulateArgs,
}

#[test]
fn the_broker_outage_is_the_one_of_the_simulator() {
    check(
        "broker-outage.log",
        include_bytes!("../samples/broker-outage.log"),
        "essay --work-every 3s --attempt-cost 320ms --outage 15s..37s --duration 50s",
    );
}

fn check(name: &str, stored: &[u8], flags: &str) {
    let Simulate { args } = Simulate::parse_from(format!("simulate {flags}").split_whitespace());
    let mut made = Vec::new();
    run(&args, &mut made).expect("the flags of a sample make a run");
    let differs = stored.split(|b| *b == b'\n').zip(made.split(|b| *b == b'\n')).position(|(a, b)| a != b);
    assert_eq!(
        (differs, stored.len()),
        (None, made.len()),
        "first line (from 0) and lengths; if the change is meant: squelch simulate {flags} > samples/{name}"
    );
    assert!(stored.len() <= 300 * 1024, "{name} is to stay small");
}

//! placeholder
use super::error::{Exit, Failure};
use super::options::ReportArguments;
pub fn run(arguments: &ReportArguments) -> Result<Exit, Failure> {
    let _ = arguments;
    Ok(Exit::Fine)
}

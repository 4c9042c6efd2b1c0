//! The command `tickwire-bots`: arguments in, a table or one JSON object out, and the exit code; the work is the library's.

use std::process::ExitCode;

use tickwire_bots::{Args, run};

/// A client failed.
const FAILED: u8 = 1;
/// The usage or the URL is wrong.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let args: Args = match tickwire_net::parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    match run(&args) {
        Ok(report) => {
            if args.json {
                println!(
                    "{}",
                    serde_json::to_string(&report).expect("a report is numbers and names")
                );
            } else {
                println!("{report}");
            }
            if report.failed == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(FAILED)
            }
        }
        Err(error) => {
            eprintln!("tickwire-bots: {error}");
            ExitCode::from(USAGE)
        }
    }
}

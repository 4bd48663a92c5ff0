//! `twilio-sim`: calls a phone bridge as Twilio would, prints what happens, and says in the end whether it was good.

mod args;
mod fault_args;
mod load;
mod one;
mod signing;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Mode};

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            say(&format!("twilio-sim: {e:#}"));
            ExitCode::from(2)
        }
    }
}

/// Runs what was asked for; whether it went well.
fn run(args: &Args) -> anyhow::Result<bool> {
    if let Some(Mode::Sign(sign)) = &args.mode {
        return signing::run(sign);
    }
    // One thread carries hundreds of calls, and without hand-overs between threads it does so with less.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if args.calls > 1 {
            load::run(args).await
        } else if args.serve {
            one::serve(args).await
        } else {
            one::run(args).await
        }
    })
}

/// Prints one line: standard output is this program's product.
#[expect(clippy::print_stdout, reason = "the program's output")]
fn say(line: &str) {
    println!("{line}");
}

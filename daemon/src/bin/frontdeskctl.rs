//! The technician's tool: asks a running daemon and shows the answer.

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use clap::Parser as _;
use frontdeskd::config::Secret;
use frontdeskd::ctl::{Arguments, CtlError, Verdict, run};
use frontdeskd::logging::chain;
use jiff::tz::TimeZone;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout());
    let token = std::env::var("FRONTDESK_ADMIN_TOKEN").ok().filter(|token| !token.trim().is_empty());
    let token = token.map(|token| Secret::new(&token));
    let ended = run(Arguments::parse(), token, &mut out, &TimeZone::system()).await;
    let ended = ended.and_then(|verdict| io::Write::flush(&mut out).map(|()| verdict).map_err(CtlError::from));
    match ended {
        Ok(Verdict::Well) => ExitCode::SUCCESS,
        Ok(Verdict::Unwell) => ExitCode::FAILURE,
        // Whoever reads has seen enough.
        Err(CtlError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(&error),
    }
}

#[expect(clippy::print_stderr, reason = "this is a command-line tool")]
fn complain(error: &CtlError) -> ExitCode {
    eprintln!("frontdeskctl: {}", chain(error));
    error.exit_code()
}

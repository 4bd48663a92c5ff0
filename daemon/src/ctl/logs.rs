//! `logs`: the journal's command line for the questions that technicians have, run for them.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use clap::Args;
use frontdesk_core::session::id::ConversationId;

use super::local::LocalError;
use super::{CtlError, Verdict, View};

const UNIT: &str = "frontdeskd";

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line hold independently of each other")]
pub(super) struct Options {
    /// Only what belongs to that call or conversation: CA or DK and 32 hexadecimal digits, as frontdeskctl calls shows it
    #[arg(long, value_name = "SID")]
    call: Option<ConversationId>,
    /// From then on: 10m, 2h, 3d; or as journalctl takes it: today, "2026-11-27 09:00"
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Until then, in the same forms
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only errors and warnings
    #[arg(long)]
    errors: bool,
    /// The last lines, so many
    #[arg(long, short = 'n', value_name = "LINES")]
    lines: Option<u32>,
    /// Go on with what is logged from now on, until Ctrl-C
    #[arg(long, short = 'f', conflicts_with = "until")]
    follow: bool,
    /// Explain messages: what they mean and what to do
    #[arg(long, short = 'x')]
    explain: bool,
    /// Print the command, and do not run it
    #[arg(long)]
    show_command: bool,
}

/// Runs the journal's own program, which takes this one's place.
pub(super) fn run(options: &Options, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    let arguments = arguments(options, view.json);
    if options.show_command {
        view.line(shown(&arguments))?;
        return Ok(Verdict::Well);
    }
    view.out.flush()?;
    // It comes back only if it could not be started.
    let source = Command::new("journalctl").args(&arguments).exec();
    Err(LocalError::Program { program: "journalctl", package: "systemd", source }.into())
}

fn arguments(options: &Options, json: bool) -> Vec<String> {
    let mut arguments = vec![format!("--unit={UNIT}")];
    let mut add = |argument: String| arguments.push(argument);
    if let Some(since) = &options.since {
        add(format!("--since={}", moment(since)));
    }
    if let Some(until) = &options.until {
        add(format!("--until={}", moment(until)));
    }
    if options.errors {
        add("--priority=warning".to_owned());
    }
    if let Some(lines) = options.lines {
        add(format!("--lines={lines}"));
    }
    if options.follow {
        add("--follow".to_owned());
    }
    if options.explain {
        add("--catalog".to_owned());
    }
    if json {
        add("--output=json".to_owned());
    }
    if let Some(call) = &options.call {
        add(format!("CALL_SID={call}"));
    }
    arguments
}

/// A span is meant backwards from now; what is none is journalctl's to understand.
fn moment(text: &str) -> String {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_span = unit.len() < text.len() && ["s", "m", "min", "h", "d", "w"].contains(&unit);
    // systemd's `m` is a minute, as people mean it.
    if is_span { format!("-{text}") } else { text.to_owned() }
}

fn shown(arguments: &[String]) -> String {
    let quoted = |argument: &String| {
        let plain = argument.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=:./+".contains(&b));
        if plain { argument.clone() } else { format!("'{}'", argument.replace('\'', "'\\''")) }
    };
    let arguments: Vec<String> = arguments.iter().map(quoted).collect();
    format!("journalctl {}", arguments.join(" "))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn command(line: &str) -> String {
        let options =
            Line::try_parse_from(std::iter::once("logs").chain(line.split('|').filter(|word| !word.is_empty())));
        shown(&arguments(&options.unwrap_or_else(|error| panic!("{error}")).options, false))
    }

    #[test]
    fn questions_become_the_journals_own() {
        for (line, expected) in [
            ("", "journalctl --unit=frontdeskd"),
            (
                "--call|CA0123456789abcdef0123456789abcdef|--explain",
                "journalctl --unit=frontdeskd --catalog CALL_SID=CA0123456789abcdef0123456789abcdef",
            ),
            ("--since|2h|--errors", "journalctl --unit=frontdeskd --since=-2h --priority=warning"),
            ("--since|2026-11-27 09:00|-n|20", "journalctl --unit=frontdeskd '--since=2026-11-27 09:00' --lines=20"),
            ("-f", "journalctl --unit=frontdeskd --follow"),
        ] {
            assert_eq!(command(line), expected);
        }
        assert_eq!([moment("today"), moment("90m"), moment("h")], ["today", "-90m", "h"]);
    }
}

//! `support-bundle`: one file for whoever is asked for help, with all that says how the box is and nothing of anybody.
//!
//! ```text
//! doctor, health, metrics, unit, journal, configuration ─► allow lists ─► Redactor ─► shown ─► asked ─► tar.gz
//! ```

mod archive;
mod gather;
mod redact;
mod settings;

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use super::client::Client;
use super::files::{self, NewFile};
use super::local::LocalError;
use super::show::{plain, table};
use super::{CtlError, Verdict, View};
use crate::config::DEFAULT_PATH;
use archive::Member;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The file to write; without it one in this folder that is named after the time
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    /// So much of the journal: hours back from now
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=720))]
    hours: u32,
    /// Write it without being asked
    #[arg(long, short = 'y')]
    yes: bool,
    /// Print everything that would be in it, and write nothing
    #[arg(long, conflicts_with = "yes")]
    show: bool,
    /// The daemon's configuration
    #[arg(long, value_name = "FILE", env = "FRONTDESK_CONFIG", default_value = DEFAULT_PATH)]
    config: PathBuf,
}

/// Does it.
pub(super) async fn run(client: &Client, view: &mut View<'_>, options: &Options) -> Result<Verdict, CtlError> {
    let now = Timestamp::now();
    let name = format!("frontdesk-support-{}", now.strftime("%Y%m%d-%H%M%S"));
    let output = options.output.clone().unwrap_or_else(|| format!("{name}.tar.gz").into());
    if output.exists() {
        return Err(LocalError::Exists(output).into());
    }
    let (members, taken) = gather::gather(client, &options.config, &format!("-{}h", options.hours)).await;
    if options.show {
        return show(view, &members);
    }
    if !view.json {
        view.line(announced(&members, taken))?;
        view.out.flush()?;
    }
    if !options.yes && !is_agreed(&output)? {
        return Err(LocalError::Declined.into());
    }
    let tar = archive::tar(&name, &members, now.as_second().try_into().unwrap_or(0));
    let gzip = |source| LocalError::Program { program: "gzip", package: "gzip", source };
    let bytes = archive::gzip(&tar).map_err(gzip)?;
    let size = bytes.len();
    files::commit(&[NewFile { path: output.clone(), bytes, mode: 0o600, folder_mode: 0o755 }])
        .map_err(LocalError::from)?;
    if view.json {
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        view.line(serde_json::json!({ "written": output, "bytes": size, "files": names, "taken_out": taken }))?;
    } else {
        view.line(format!("wrote {} ({} kB)", output.display(), size.div_ceil(1_000)))?;
    }
    Ok(Verdict::Well)
}

fn show(view: &mut View<'_>, members: &[Member]) -> Result<Verdict, CtlError> {
    for member in members {
        view.line(format!("==== {}: {}", member.name, member.what))?;
        for line in member.text.lines() {
            view.line(plain(line))?;
        }
    }
    Ok(Verdict::Well)
}

fn announced(members: &[Member], taken: usize) -> String {
    let size = |text: &str| format!("{:.1} kB", text.len() as f64 / 1_000.0);
    let rows: Vec<_> = members.iter().map(|it| [it.name.clone(), size(&it.text), it.what.to_owned()]).collect();
    let redaction = match taken {
        0 => "nothing had to be taken out".to_owned(),
        1 => "one name, number, address or key was taken out".to_owned(),
        many => format!("{many} names, numbers, addresses and keys were taken out"),
    };
    format!("{}\n\n{redaction}; --show prints all of it", table(["FILE", "SIZE", "HOLDS"], &rows))
}

fn is_agreed(output: &std::path::Path) -> Result<bool, CtlError> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(LocalError::NobodyToAsk("--yes, or --show to look at it").into());
    }
    let mut screen = io::stderr();
    write!(screen, "Write it to {}? [y/N] ", output.display())?;
    screen.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

//! Stories about a box: told inside of the virtual machine, as root, from outside of the daemon.
//!
//! ```text
//!  tests/box/run ─boots─► guest: job.sh ─► frontdesk-box ─┬─► dpkg, systemctl, kill, journalctl
//!                                                          ├─► usb-sim ─USB/IP─► snd-usb-audio, hidraw ─► frontdeskd
//!                                                          └─► gemini-sim, twilio-sim ◄─────────────────► frontdeskd
//! ```
//!
//! Everything runs inside, because the guest's clock is slower than the host's. Each story prints one line with what it
//! has measured; what it measured is the guest's time.
#![expect(clippy::print_stdout, reason = "this program is for reading")]

mod api;
mod clinic;
mod guest;
mod report;
mod speakerphone;
mod stories;
mod terminal;
mod unit;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use report::Report;
use stories::{Scene, Story};

/// Tells stories about the installed package, as root, in a machine that may be spoilt by them.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Which part: those up to the power cut, or those after it
    part: Part,
    /// The runner's share: packages in `debs`, programs in `bin`; recordings and results go there
    #[arg(long, default_value = "/box")]
    share: PathBuf,
    /// Only these stories, and what they cannot do without
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Everything up to the power cut, which the runner brings about.
    BeforeCut,
    /// What is left afterwards, and the end.
    AfterCut,
    /// Lists the stories and does nothing.
    List,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.part == Part::List {
        for story in Story::ALL {
            println!("{:<12} {}", story.name(), story.title());
        }
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let told = runtime.context("no runtime").and_then(|runtime| runtime.block_on(tell(&arguments)));
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("the stories could not be told: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn tell(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut report = Report::open(&arguments.share)?;
    let part = match arguments.part {
        Part::AfterCut => Story::AFTER_CUT,
        _ => Story::BEFORE_CUT,
    };
    let wanted = |story: &Story| {
        let named = arguments.only.iter().any(|name| name == story.name());
        // Who cuts the power wants to know what is left.
        let follows = *story == Story::Kept;
        arguments.only.is_empty() || named || follows || story.is_needed_by_others()
    };
    let mut scene = Scene::set(&arguments.share).await?;
    let mut booked = false;
    for story in part.iter().filter(|story| wanted(story)) {
        let began = guest::clock();
        let outcome = story.tell(&mut scene, &mut report).await;
        let good = outcome.is_ok();
        booked |= good && *story == Story::Booking;
        report.story(story.title(), outcome, guest::clock().saturating_sub(began))?;
        if !good {
            scene.tidy();
            if *story == Story::Install {
                break;
            }
        }
    }
    if booked && arguments.part == Part::BeforeCut {
        report.end()?;
        // The runner takes the power away; whatever is still on its way to the disk stays there.
        std::fs::write(arguments.share.join("cut"), "")?;
        std::future::pending::<()>().await;
    }
    scene.leave();
    report.end()
}

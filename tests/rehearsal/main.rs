//! `make run`: shows a conversation to somebody who has neither a Gemini key, nor a phone number, nor patience.
//!
//! Starts the daemon between simulators of whatever is not configured, lets a caller speak, prints what is said while
//! it is said, measures the call, writes it to a stereo file, and leaves the daemon running until Ctrl-C.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program is for reading")]

mod desk;
mod left;
mod screen;
mod script;
mod table;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use desk::Counter;
use frontdesk_gemini_sim::{GeminiSim, Settings as GeminiSettings};
use frontdesk_tests::daemon::{Daemon, LOG, PUBLIC_URL, Plan};
use frontdesk_tests::script::booking;
use frontdesk_twilio_sim::{CallHandle, CallPlan, CallReport, Caller, Settings as TwilioSettings, Target, TwilioSim};
use frontdesk_voice::wav;

/// Where the real model answers.
const GEMINI: &str = "wss://generativelanguage.googleapis.com";
/// The clinic of the rehearsal: the shipped example.
const CLINIC: &str = include_str!("../../images/config/clinic.toml");
/// What is known there beside the data.
const KNOWLEDGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../images/knowledge");
/// No rehearsed call lasts longer.
const CALL: Duration = Duration::from_mins(4);

/// Shows a conversation with Frontdesk, in a rehearsal world for whatever is not configured.
#[derive(Parser)]
#[command(
    version,
    after_help = "With GEMINI_API_KEY in the environment the real Gemini answers. Everything else is simulated: the phone \
                  company (with real signatures), the people (espeak-ng), without a speakerphone that and the room \
                  around it, and without a key the model."
)]
struct Arguments {
    /// Keep the daemon's files, its log and the recording in this folder.
    #[arg(long, value_name = "FOLDER", default_value = "target/rehearsal")]
    folder: PathBuf,
    /// Port for Twilio; 0 for any.
    #[arg(long, value_name = "PORT", default_value_t = 8091)]
    public_port: u16,
    /// Port for people; 0 for any.
    #[arg(long, value_name = "PORT", default_value_t = 8090)]
    admin_port: u16,
    /// End when the call has ended, also on a terminal.
    #[arg(long)]
    once: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let shown = runtime.context("no runtime").and_then(|runtime| runtime.block_on(show(&arguments)));
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nThe rehearsal failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn show(arguments: &Arguments) -> anyhow::Result<bool> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let folder = folder.canonicalize()?;
    let key = std::env::var("GEMINI_API_KEY").ok().filter(|key| !key.trim().is_empty());

    println!("Frontdesk rehearsal\n");
    println!(
        "  Gemini   {}",
        if key.is_some() { "real (GEMINI_API_KEY is set)" } else { "simulated (set GEMINI_API_KEY for the real one)" }
    );
    println!("  Twilio   simulated, with real signatures");
    println!("  Caller   espeak-ng");
    let counter = tokio::task::spawn_blocking(Counter::look).await??;
    println!("  Desk     {}\n", counter.describe());
    print!("Rendering voices and starting ... ");
    screen::flush();

    let gemini = GeminiSim::start(GeminiSettings { scenario: booking(), ..GeminiSettings::default() })
        .await
        .context("gemini-sim")?;
    let twilio = TwilioSim::start(TwilioSettings::default()).await.context("twilio-sim")?;
    let real = key.is_some();
    let plan = plan(arguments, &folder, key, &gemini, &twilio, &counter);
    std::fs::write(folder.join("clinic.toml"), CLINIC).context("cannot write the clinic's data")?;
    left::clear(&folder)?;
    let mut daemon = start(plan).await?;
    println!("done.\n");

    let script = script::script()?;
    let call = place(&twilio, &daemon, script.steps.clone());
    println!("A phone call:\n");
    let sid = call.sid();
    let (watched, report) = tokio::join!(screen::follow(&daemon, &sid, CALL), call.wait_ended(CALL));
    let report = report.context("the call did not end")?;
    watched?;

    let recording = folder.join("call.wav");
    record(&report, &recording)?;
    let mut good = table::print(&daemon, &report, &script).await?;
    // A real model books as the conversation goes; ours books for certain.
    let booked = left::print(&daemon, &folder).await?;
    good &= booked || real;
    println!("\nRecording  {} (left the caller, right the agent)", recording.display());
    if let Counter::Virtual(room) = counter {
        println!("\nA conversation at the front desk:\n");
        good &= desk::visit(&daemon, room, &folder).await?;
    }
    println!("Log        {}", folder.join(LOG).display());
    stay(arguments, &mut daemon).await?;
    Ok(good)
}

fn plan(
    arguments: &Arguments,
    folder: &std::path::Path,
    key: Option<String>,
    gemini: &GeminiSim,
    twilio: &TwilioSim,
    counter: &Counter,
) -> Plan {
    let listen = |port: u16| {
        let free = std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        format!("listen = \"127.0.0.1:{}\"", if free { port } else { 0 })
    };
    let real = key.is_some();
    Plan {
        lines: [
            vec![("phone", listen(arguments.public_port)), ("admin", listen(arguments.admin_port))],
            vec![("clinic", format!("knowledge = '{KNOWLEDGE}'"))],
            counter.lines(),
        ]
        .concat(),
        environment: counter.environment(),
        gemini: if real { GEMINI.to_owned() } else { gemini.wss_base() },
        gemini_ca: (!real).then(|| gemini.ca_path().to_owned()),
        gemini_key: key.unwrap_or_else(|| "rehearsal".to_owned()),
        twilio_api: twilio.api_base(),
        account_sid: twilio.settings().account_sid.clone(),
        auth_token: twilio.settings().auth_token.clone(),
        home: folder.to_owned(),
    }
}

async fn start(mut plan: Plan) -> anyhow::Result<Daemon> {
    // Every rehearsal begins with an empty store: its calls have the same names each time.
    for name in ["frontdesk.db", "frontdesk.db-wal", "frontdesk.db-shm"] {
        let path = plan.home.join(name);
        if path.exists() {
            std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    plan.lines.push(("log", "level = \"info\"".to_owned()));
    Daemon::start(&plan).await
}

fn place(twilio: &TwilioSim, daemon: &Daemon, steps: Vec<frontdesk_twilio_sim::Step>) -> CallHandle {
    let mut plan = CallPlan::to_url(format!("{PUBLIC_URL}/twilio/voice"));
    plan.status_callback = Some(format!("{PUBLIC_URL}/twilio/status"));
    let target = Target { addr: daemon.public, tls: false };
    plan.connect_to = [("desk.example.com".to_owned(), target)].into_iter().collect();
    plan.caller = Caller::new(steps);
    twilio.call(plan)
}

fn record(report: &CallReport, path: &std::path::Path) -> anyhow::Result<()> {
    let stream = report.stream().context("the call had no media stream: nothing to record")?;
    wav::write_stereo(path, &stream.spoken(), &stream.heard().pcm, 8_000)?;
    Ok(())
}

/// On a terminal the daemon goes on until Ctrl-C; without one nobody is there to press it.
async fn stay(arguments: &Arguments, daemon: &mut Daemon) -> anyhow::Result<()> {
    if std::io::stdout().is_terminal() && !arguments.once {
        println!("\nThe daemon goes on running:\n");
        println!("  health      http://{}/health", daemon.admin);
        println!("  metrics     http://{}/metrics", daemon.admin);
        println!("  calls       http://{}/v1/calls", daemon.admin);
        println!("  the desk    http://{}/v1/desk", daemon.admin);
        println!("  for Twilio  http://{} (as {PUBLIC_URL})", daemon.public);
        println!("\nCtrl-C ends it.");
        tokio::signal::ctrl_c().await?;
        println!();
    }
    daemon.signal("TERM")?;
    daemon.wait(Duration::from_secs(40)).await?;
    Ok(())
}

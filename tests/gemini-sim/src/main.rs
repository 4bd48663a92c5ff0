//! `gemini-sim`: the simulator as a program.

use std::{io::Write as _, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::{ArgAction, Parser};
use frontdesk_gemini_sim::{GeminiSim, PlannedFault, Scenario, Settings, Timing};

/// A simulator of the Gemini Live API: a scripted receptionist to test voice clients with.
///
/// It takes WebSocket connections as the service does and holds a conversation: recognises the scenario's lines
/// (spoken by espeak-ng with the caller's voice), answers aloud, calls tools, can be interrupted, resumes sessions.
#[derive(Parser)]
#[command(name = "gemini-sim", version, after_long_help = HELP)]
struct Arguments {
    /// Where to serve ws:// and http://
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9080")]
    listen: SocketAddr,

    /// Where to serve wss:// and https://, with a certificate for localhost and 127.0.0.1
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9443")]
    tls_listen: SocketAddr,

    /// Where to write the certificate authority that clients of wss:// have to trust; without it, a temporary file
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,

    /// What the receptionist says and does, as TOML; without it, a small clinic
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,

    /// A fault for every session, see below; may be given several times
    #[arg(long, value_name = "FAULT")]
    fault: Vec<PlannedFault>,

    /// The key that clients have to present; without it, any will do
    #[arg(long, value_name = "KEY", env = "GEMINI_SIM_API_KEY", hide_env_values = true)]
    api_key: Option<String>,

    /// From a prompt to the first audio of the answer, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 350)]
    reply_delay_ms: u64,

    /// From the caller's first sound over a reply to `interrupted`, in milliseconds; the service takes 400 to 3000
    #[arg(long, value_name = "MS", default_value_t = 400)]
    barge_in_latency_ms: u64,

    /// Send text frames instead of binary ones
    #[arg(long)]
    text_frames: bool,

    /// Take every utterance for the next line of the scenario instead of recognising it; costs nearly nothing
    #[arg(long)]
    no_recognition: bool,

    /// Say what is heard and said; twice for every message but audio
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

const HELP: &str = "\
Faults, as NAME[:ARGUMENT][@DELAY][/once|/connection]; DELAY counts from the end of the setup, and a fault that changes
behaviour lasts for the session, its first effect (/once) or its first connection (/connection):
  go-away[:10s]            announce the end of the connection, then close with 1011
  drop                     cut the TCP connection
  stall:5s                 send nothing for a while
  slow-reader:5s           read nothing for a while
  half-open                neither read nor write any more, and never close
  garbage                  frames that mean nothing
  strays                   `interrupted` and `turnComplete` out of place
  close:CODE[:REASON]      close with this code
  close-at-setup:CODE[:REASON]  close instead of setupComplete
  silent-audio             replies are digital silence
  near-zero-audio          replies are noise of one bit
  late-pong:20s            answer pings late
  duplicate-tool-call      every tool call twice
  drop-after-tool-call     cut the connection after a tool call
  silent-after-tool        say nothing after a tool's response
  no-greeting              do not greet
  no-reply                 say nothing at all
  miss-barge-in            do not notice speech over a reply
  cancel-tool-on-interrupt cancel tool calls that are spoken over
  no-handles               never send a resumption handle
  refuse-handle            refuse every resumption handle
  refuse-connect:503       refuse the WebSocket upgrade

Examples:
  gemini-sim -v
  gemini-sim --fault go-away:10s@60s --fault no-reply/once
  GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:9080 node my-client.mjs
  GOOGLE_GEMINI_BASE_URL=https://localhost:9443 SSL_CERT_FILE=ca.pem python my_client.py";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let level = ["warn", "info", "debug"][usize::from(arguments.verbose.min(2))];
    let filter = format!("warn,frontdesk_gemini_sim={level}");
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(filter)).init();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let scenario = match &arguments.scenario {
        Some(path) => Scenario::from_file(path)?,
        None => Scenario::default(),
    };
    let timing = Timing {
        reply_delay: Duration::from_millis(arguments.reply_delay_ms),
        barge_in_latency: Duration::from_millis(arguments.barge_in_latency_ms),
        ..Timing::default()
    };
    let settings = Settings {
        listen: arguments.listen,
        tls_listen: Some(arguments.tls_listen),
        ca_out: arguments.ca_out,
        api_key: arguments.api_key,
        scenario,
        faults: arguments.fault,
        timing,
        recognise: !arguments.no_recognition,
        text_frames: arguments.text_frames,
        ..Settings::default()
    };
    let sim = GeminiSim::start(settings).await.context("cannot start")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\n{}\nCA {}", sim.ws_base(), sim.wss_base(), sim.ca_path().display())?;
    out.flush()?;
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
    sim.stop().await;
    Ok(())
}

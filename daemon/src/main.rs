//! The daemon: arguments, configuration, run, exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use frontdeskd::app::{self, App, StopSignal};
use frontdeskd::config::{self, ConfigErrors, Loaded};
use frontdeskd::{logging, notify};
use log::{error, info, warn};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The configuration is wrong: systemd is told not to try again (sysexits.h, `EX_CONFIG`).
const EX_CONFIG: u8 = 78;

/// A voice receptionist for clinics: answers the phone with Gemini Live.
#[derive(Parser)]
#[command(version, after_help = "Examples:\n  frontdeskd check\n  frontdeskd --config ./config.toml")]
struct Arguments {
    /// The configuration file; drop-ins are read from the folder beside it (config.d for config.toml).
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH, env = "FRONTDESK_CONFIG", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// Run the daemon. The default.
    Run,
    /// Check the configuration, its files and secrets, and say what is wrong; start nothing. As root it sees the secrets
    /// that systemd passes to the unit.
    Check,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let environment = |name: &str| std::env::var(name).ok();
    match arguments.command.unwrap_or(Task::Run) {
        Task::Check => {
            let stores = config::CREDENTIAL_STORES.map(PathBuf::from);
            check(config::inspect(&arguments.config, &environment, &stores))
        }
        Task::Run => match config::load(&arguments.config, &environment) {
            Ok(loaded) => run(loaded),
            Err(errors) => refuse(&errors),
        },
    }
}

fn refuse(errors: &ConfigErrors) -> ExitCode {
    if let Err(error) = logging::init(log::LevelFilter::Info) {
        return no_log(&error);
    }
    error!("the configuration cannot be used:\n{errors}");
    log::logger().flush();
    ExitCode::from(EX_CONFIG)
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is what `check` is for")]
fn check(loaded: Result<Loaded, ConfigErrors>) -> ExitCode {
    let loaded = loaded.map_err(|errors| errors.to_string());
    // What a file says is tried out too, and not only whether it is there.
    let loaded = loaded.and_then(|loaded| match app::check(&loaded.config) {
        Ok(()) => Ok(loaded),
        Err(error) => Err(logging::chain(&error).to_string()),
    });
    match loaded {
        Ok(loaded) => {
            for advice in &loaded.advice {
                eprintln!("advice: {advice}");
            }
            for file in &loaded.files {
                println!("read {}", file.display());
            }
            for place in &loaded.secrets {
                println!("found {place}");
            }
            for place in &loaded.unseen {
                println!("not looked into: {place}");
            }
            let but = if loaded.unseen.is_empty() { "" } else { ", but for what could not be looked into" };
            println!("the configuration is complete{but}");
            ExitCode::SUCCESS
        }
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::from(EX_CONFIG)
        }
    }
}

fn run(loaded: Loaded) -> ExitCode {
    if let Err(error) = logging::init(loaded.config.log.level) {
        return no_log(&error);
    }
    info!("frontdeskd {}", env!("CARGO_PKG_VERSION"));
    for advice in &loaded.advice {
        warn!("{advice}");
    }
    let ended = start(loaded);
    if let Err(error) = &ended {
        error!("{error:#}");
    }
    log::logger().flush();
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stderr, reason = "there is no log to say it in")]
fn no_log(error: &logging::LoggingError) -> ExitCode {
    eprintln!("frontdeskd: {error}");
    ExitCode::FAILURE
}

fn start(loaded: Loaded) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("net").build()?;
    let ended = runtime.block_on(async {
        let signals = Signals { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? };
        let app =
            App::start(loaded.config, notify::Notifier::from_environment(&|name| std::env::var(name).ok())).await?;
        app.run(signals).await?;
        Ok(())
    });
    // The store is closed by now; a name that is still being resolved is not waited for.
    runtime.shutdown_background();
    ended
}

struct Signals {
    term: Signal,
    int: Signal,
}

impl StopSignal for Signals {
    async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}

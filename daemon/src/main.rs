//! The daemon: arguments, configuration, run, exit code.

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use frontdeskd::app::{self, App, AppError, StopSignal, Surroundings};
use frontdeskd::arguments::{Arguments, Task};
use frontdeskd::config::{self, Complaint, ConfigErrors, Loaded};
use frontdeskd::logging::{self, Event};
use frontdeskd::notify::Notifier;
use frontdeskd::reload::request::{Reader, ReloadError};
use frontdeskd::reload::{Refusal, Reloads};
use log::{error, info, warn};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The configuration is wrong: systemd is told not to try again (sysexits.h, `EX_CONFIG`).
const EX_CONFIG: u8 = 78;
/// What a configuration is that cannot be used, in the system's numbers.
const EINVAL: u32 = 22;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let environment = |name: &str| std::env::var(name).ok();
    match arguments.command.unwrap_or(Task::Run) {
        Task::Check => {
            let stores = config::CREDENTIAL_STORES.map(PathBuf::from);
            check(config::inspect(&arguments.config, &environment, &stores))
        }
        Task::Run => {
            let notifier = Notifier::from_environment(&environment);
            match config::load(&arguments.config, &environment) {
                Ok(loaded) => run(loaded, arguments.config, &notifier),
                Err(errors) => refuse(&errors, &notifier),
            }
        }
    }
}

fn refuse(errors: &ConfigErrors, notifier: &Notifier) -> ExitCode {
    if let Err(error) = logging::init(log::LevelFilter::Info) {
        return no_log(&error);
    }
    // One record each: the journal shows them one below the other, and each can be searched for.
    for complaint in &errors.0 {
        error!(event:% = kind(complaint); "the configuration cannot be used: {complaint}");
    }
    let refusal = Refusal::of_file(errors);
    let more = match refusal.complaints.len() {
        0 | 1 => String::new(),
        all => format!(" (and {} more: frontdeskd check lists them)", all - 1),
    };
    notifier.failed(&format!("the configuration cannot be used: {}{more}", refusal.text_of_first()), Some(EINVAL));
    log::logger().flush();
    ExitCode::from(EX_CONFIG)
}

/// What is complained of outside of the files is a secret.
fn kind(complaint: &Complaint) -> Event {
    if complaint.place.is_none() { Event::CredentialMissing } else { Event::ConfigurationRefused }
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

fn run(loaded: Loaded, file: PathBuf, notifier: &Notifier) -> ExitCode {
    if let Err(error) = logging::init(loaded.config.log.level) {
        return no_log(&error);
    }
    info!(event:% = Event::Started; "frontdeskd {}", env!("CARGO_PKG_VERSION"));
    for advice in &loaded.advice {
        warn!("{advice}");
    }
    let ended = start(loaded, file, notifier.clone());
    let code = match &ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let app = error.downcast_ref::<AppError>();
            error!(event:% = app.map_or(Event::Failed, AppError::event); "{error:#}");
            notifier.failed(&format!("{error:#}"), app.and_then(AppError::errno));
            if app.is_some_and(AppError::is_configuration) { ExitCode::from(EX_CONFIG) } else { ExitCode::FAILURE }
        }
    };
    log::logger().flush();
    code
}

#[expect(clippy::print_stderr, reason = "there is no log to say it in")]
fn no_log(error: &logging::LoggingError) -> ExitCode {
    eprintln!("frontdeskd: {error}");
    ExitCode::FAILURE
}

fn start(loaded: Loaded, file: PathBuf, notifier: Notifier) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("net").build()?;
    let ended = runtime.block_on(async {
        let signals = Signals { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? };
        // From here on it is a wish, and no reason to end.
        let hangup = signal(SignalKind::hangup())?;
        let read: Reader = Arc::new(move || config::load(&file, &|name| std::env::var(name).ok()));
        let around = Surroundings { read: Some(read), ..notifier.into() };
        let app = App::start(loaded.config, around).await?;
        let reloads = app.reloads();
        tokio::select! {
            ended = app.run(signals) => ended?,
            never = reload_at(hangup, reloads) => match never {},
        }
        Ok(())
    });
    // The store is closed by now; a name that is still being resolved is not waited for.
    runtime.shutdown_background();
    ended
}

/// Has the configuration read again at every SIGHUP; what comes of it is in the log.
async fn reload_at(mut hangup: Signal, reloads: Reloads) -> Infallible {
    loop {
        if hangup.recv().await.is_none() {
            return std::future::pending().await;
        }
        info!("SIGHUP: the configuration is read again");
        if let Err(error @ (ReloadError::Busy | ReloadError::Away)) = reloads.ask().await {
            warn!("the configuration was not read again: {error}");
        }
    }
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

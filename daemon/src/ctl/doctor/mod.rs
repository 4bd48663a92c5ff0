//! `doctor`: everything that a box needs, looked at one by one, each with what is wrong and the command that mends it.
//!
//! ```text
//! configuration, health ─► look (files, programs, sockets) ─► Facts ─► judge ─► Finding: how it is, what, fix
//! ```
//!
//! Facts are gathered by one function and judged by another, which asks nobody. The checks run beside each other, each for
//! five seconds at most; without a daemon, and not as root, as much is said as can be seen.

mod clock;
mod config;
mod finding;
mod machine;
mod network;
mod service;
mod services;
mod speakerphone;
mod system;
mod upkeep;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use http::Method;
use rustls::ClientConfig;
use serde::Serialize;

use super::client::Client;
use super::progress::Progress;
use super::show::plain;
use super::{CtlError, Verdict, View};
use crate::config::{Config, DEFAULT_PATH};
use crate::http::reply::Health;
use crate::net;
pub(super) use finding::{Finding, Outcome};
use network::Endpoint;
use service::Asked;
pub(super) use system::{NoWord, System, ask};

/// No check takes longer.
const CHECK_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Only these, separated by commas; --list names them
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(names()))]
    only: Vec<String>,
    /// Name the checks, and do none
    #[arg(long)]
    list: bool,
    /// Also ask Gemini whether it takes the key
    #[arg(long)]
    deep: bool,
    /// The daemon's configuration
    #[arg(long, value_name = "FILE", env = "FRONTDESK_CONFIG", default_value = DEFAULT_PATH)]
    config: PathBuf,
    /// Where the machine's files are
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    root: PathBuf,
}

impl Options {
    /// All checks, of this machine as it is.
    pub(super) fn all(config: &Path) -> Self {
        Self { only: Vec::new(), list: false, deep: false, config: config.to_owned(), root: "/".into() }
    }
}

/// A check.
struct Check {
    name: &'static str,
    /// What it answers.
    what: &'static str,
    run: for<'a> fn(&'a World<'_>) -> LocalBoxFuture<'a, Vec<Finding>>,
}

/// What all checks go by.
struct World<'a> {
    system: System,
    root: &'a Path,
    facts: config::Facts,
    health: Asked,
    tls: Option<Arc<ClientConfig>>,
    http: Option<reqwest::Client>,
    deep: bool,
}

impl World<'_> {
    fn config(&self) -> Option<&Config> {
        self.facts.config.as_ref()
    }

    fn health(&self) -> Option<&Health> {
        self.health.as_ref().ok()
    }
}

macro_rules! checks {
    ($($name:literal, $what:literal, |$world:ident| $run:expr;)+) => {
        [$(Check {
            name: $name,
            what: $what,
            run: |$world| {
                // Not every check asks the world.
                let _ = $world;
                Box::pin(async move { $run })
            },
        },)+]
    };
}

/// All of them, in the order in which one builds on another.
const CHECKS: [Check; 22] = checks! {
    "config", "can the daemon be started with its configuration?", |w| config::judge(&w.facts);
    "secrets", "are the secrets there that it needs, and for it alone?",
        |w| config::judge_secrets(&w.facts, &config::look_at_stored(w.root));
    "service", "does systemd run the daemon?", |w| service::judge_unit(&service::look_at_unit().await);
    "daemon", "does the daemon answer, and what does it say?", |w| service::judge_daemon(&w.health);
    "ports", "can it listen where it should?", |w| ports(w).await;
    "clock", "is the time right?", |w| clock(w).await;
    "dns", "can the services be looked up?", |w| dns(w).await;
    "gemini-tls", "can Gemini be reached, and is it Gemini?", |w| gemini_tls(w).await;
    "gemini-key", "does Gemini take the key? (with --deep)", |w| gemini_key(w).await;
    "twilio-tls", "can Twilio be reached, and is it Twilio?", |w| twilio_tls(w).await;
    "webhooks", "does Twilio send the number's calls to this box?", |w| webhooks(w).await;
    "public-url", "does the public address lead to the daemon?", |w| public_url(w).await;
    "speakerphone", "is there one, and may the daemon use it?", |w| speakerphone(w);
    "realtime", "has sound its place before everything else?",
        |w| service::judge_real_time(&service::look_at_real_time(&w.system), w.health().map(|health| health.desk.state));
    "outbox", "is what follows from bookings carried out?", |w| service::judge_outbox(&w.health);
    "backup", "is there a copy of the store?", |w| backup(w);
    "disk", "is there room, and can it be written?", |w| disk(w);
    "card", "how worn is the memory card?", |w| machine::judge_cards(&machine::look_at_cards(&w.system));
    "memory", "is memory left?", |w| machine::judge_memory(machine::look_at_memory(&w.system).as_ref());
    "temperature", "is it cool, and the supply strong enough?",
        |w| machine::judge_heat(&machine::look_at_heat(&w.system).await);
    "journal", "how large is it?", |w| machine::judge_journal(&machine::look_at_journal().await);
    "update", "is there a newer version?", |w| update(w).await;
};

fn names() -> Vec<&'static str> {
    CHECKS.iter().map(|check| check.name).collect()
}

fn unknown() -> Vec<Finding> {
    vec![Finding::skipped("known when the configuration can be read")]
}

async fn ports(world: &World<'_>) -> Vec<Finding> {
    let Some(config) = world.config() else { return unknown() };
    service::judge_ports(&service::look_at_ports(config).await, world.health.is_ok())
}

async fn clock(world: &World<'_>) -> Vec<Finding> {
    let base = world.config().map(|config| config.phone.twilio_api.as_str());
    clock::judge(&clock::look(&world.system, world.http.as_ref(), base).await)
}

async fn dns(world: &World<'_>) -> Vec<Finding> {
    let Some(config) = world.config() else { return unknown() };
    let addresses = [&config.gemini.endpoint, &config.phone.twilio_api, &config.phone.public_url];
    let endpoints: Vec<Endpoint> = addresses.into_iter().filter_map(|address| Endpoint::of(address)).collect();
    network::judge_dns(&network::resolve(&endpoints).await)
}

async fn tls(world: &World<'_>, who: &str, address: impl Fn(&Config) -> &str) -> Vec<Finding> {
    let Some(config) = world.config() else { return unknown() };
    let Some(endpoint) = Endpoint::of(address(config)) else { return unknown() };
    match &world.tls {
        Some(tls) => network::judge_tls(who, &endpoint, &network::reach(&endpoint, tls).await),
        None => vec![Finding::wrong(
            "this system trusts no authority: the package ca-certificates is missing",
            "sudo apt-get install ca-certificates",
        )],
    }
}

async fn gemini_tls(world: &World<'_>) -> Vec<Finding> {
    tls(world, "Gemini", |config| &config.gemini.endpoint).await
}

async fn twilio_tls(world: &World<'_>) -> Vec<Finding> {
    tls(world, "Twilio", |config| &config.phone.twilio_api).await
}

/// What may be asked only with the real secrets.
fn with_secrets<'a>(world: &'a World<'_>) -> Result<(&'a Config, &'a reqwest::Client), Vec<Finding>> {
    match (world.config(), &world.http) {
        (Some(config), Some(http)) if world.facts.whole => Ok((config, http)),
        (Some(_), Some(_)) if world.facts.lacking.is_empty() => {
            Err(vec![Finding::skipped_but("the secrets cannot be read from here", "sudo frontdeskctl doctor")])
        }
        (Some(_), Some(_)) => Err(vec![Finding::skipped("secrets are lacking: see the check secrets")]),
        _ => Err(unknown()),
    }
}

async fn gemini_key(world: &World<'_>) -> Vec<Finding> {
    if !world.deep {
        return vec![Finding::skipped("asked only with --deep")];
    }
    match with_secrets(world) {
        Ok((config, http)) => {
            services::judge_gemini(&config.gemini.model, &services::ask_gemini(http, &config.gemini).await)
        }
        Err(findings) => findings,
    }
}

async fn webhooks(world: &World<'_>) -> Vec<Finding> {
    match with_secrets(world) {
        Ok((config, http)) => {
            services::judge_webhooks(&config.phone.public_url, &services::ask_twilio(http, &config.phone).await)
        }
        Err(findings) => findings,
    }
}

async fn public_url(world: &World<'_>) -> Vec<Finding> {
    let (Some(config), Some(http)) = (world.config(), &world.http) else { return unknown() };
    let phone = &config.phone;
    let seen = network::look_at_public(http, &phone.public_url).await;
    network::judge_public(&phone.public_url, &phone.listen.to_string(), &seen)
}

fn speakerphone(world: &World<'_>) -> Vec<Finding> {
    let Some(config) = world.config() else { return speakerphone::judge(&speakerphone::Facts::default(), None) };
    let facts = speakerphone::look(&world.system, &config.desk.device);
    speakerphone::judge(&facts, world.health().map(|health| &health.desk))
}

fn backup(world: &World<'_>) -> Vec<Finding> {
    let Some(config) = world.config() else { return unknown() };
    upkeep::judge_copies(&upkeep::look_at_copies(&config.store.path, config.backups))
}

fn disk(world: &World<'_>) -> Vec<Finding> {
    let store = world.config().map_or(Path::new("/var/lib/frontdesk/frontdesk.db"), |config| &config.store.path);
    machine::judge_disk(&machine::look_at_disk(store))
}

async fn update(world: &World<'_>) -> Vec<Finding> {
    upkeep::judge_versions(&upkeep::look_at_versions(world.health().map(|health| health.version.clone())).await)
}

/// What one check has found.
#[derive(Debug, Serialize)]
pub(super) struct Examined {
    pub(super) name: &'static str,
    pub(super) findings: Vec<Finding>,
}

/// Looks at everything that `options` names, and shows how far it is.
pub(super) async fn examine(client: &Client, options: &Options) -> Vec<Examined> {
    let progress = Progress::start("reading the configuration");
    let environment = |name: &str| std::env::var(name).ok();
    let facts = config::look(&options.config, &options.root, &environment);
    progress.step("asking the daemon");
    let health = ask_health(client, facts.config.as_ref()).await;
    let extra = facts.config.as_ref().and_then(|config| config.gemini.ca_file.as_deref());
    let tls = net::client_tls(extra).ok();
    let http = tls.as_deref().and_then(|tls| crate::app::http_client(tls).ok());
    let system = System::below(&options.root);
    let world = World { system, root: &options.root, facts, health, tls, http, deep: options.deep };
    let wanted = |check: &&Check| options.only.is_empty() || options.only.iter().any(|name| name == check.name);
    let chosen: Vec<&Check> = CHECKS.iter().filter(wanted).collect();
    let one = |(n, check): (usize, &Check)| {
        let (run, name) = ((check.run)(&world), check.name);
        async move {
            let found = tokio::time::timeout(CHECK_WITHIN, run).await;
            let late = || vec![Finding::skipped(format!("it took longer than {CHECK_WITHIN:?}"))];
            (n, Examined { name, findings: found.unwrap_or_else(|_| late()) })
        }
    };
    let mut running: FuturesUnordered<_> = chosen.iter().copied().enumerate().map(one).collect();
    let mut waiting: Vec<&str> = chosen.iter().map(|check| check.name).collect();
    let mut done = Vec::with_capacity(chosen.len());
    while let Some((n, examined)) = running.next().await {
        waiting.retain(|name| *name != examined.name);
        progress.at(chosen.len() - waiting.len(), chosen.len(), waiting.first().unwrap_or(&""));
        done.push((n, examined));
    }
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, examined)| examined).collect()
}

/// Health is an answer also when it is bad. Where the tool looks by default there may be none, and one where this
/// configuration has it.
async fn ask_health(client: &Client, config: Option<&Config>) -> Asked {
    let asked = client.health().await;
    match (&asked, config) {
        (Err(CtlError::NotRunning { path }), Some(config)) if *path != config.control.socket => {
            let target = super::client::Target::Socket(config.control.socket.clone());
            Client { target, token: None }.health().await
        }
        _ => asked,
    }
}

impl Client {
    async fn health(&self) -> Asked {
        let asking = async {
            let answer = self.ask_any(Method::GET, "/health").await?;
            match answer.json() {
                Ok(health) => Ok(health),
                Err(odd) => Err(answer.unless_failed().err().unwrap_or(odd)),
            }
        };
        let silent = || CtlError::Silent { place: "the control socket".to_owned(), within: CHECK_WITHIN };
        tokio::time::timeout(CHECK_WITHIN, asking).await.unwrap_or_else(|_| Err(silent()))
    }
}

/// Whether nothing is wrong.
pub(super) fn is_well(examined: &[Examined]) -> bool {
    examined.iter().flat_map(|it| &it.findings).all(|finding| finding.outcome != Outcome::Wrong)
}

/// As JSON.
pub(super) fn json(examined: &[Examined]) -> serde_json::Value {
    serde_json::json!({ "well": is_well(examined), "checks": examined })
}

/// For people: one line for each finding, below it what mends it, at the end the sum.
pub(super) fn text(examined: &[Examined]) -> String {
    let mut lines = Vec::new();
    let mut counts = [0_usize; 4];
    for Examined { name, findings } in examined {
        for Finding { outcome, what, fix } in findings {
            counts[*outcome as usize] += 1;
            lines.push(format!("{}  {name:12}  {}", outcome.word(), plain(what)));
            lines.extend(fix.iter().map(|fix| format!("{:23}-> {}", "", plain(fix))));
        }
    }
    let [ok, advice, wrong, skipped] = counts;
    let sum = match (wrong, advice) {
        (0, 0) => "nothing is wrong".to_owned(),
        (0, advice) => format!("nothing is wrong; {advice} could be better"),
        (wrong, 0) => format!("{wrong} wrong"),
        (wrong, advice) => format!("{wrong} wrong; {advice} could be better"),
    };
    lines.push(format!("\n{sum} ({ok} ok, {skipped} skipped)"));
    lines.join("\n")
}

/// Does it.
pub(super) async fn run(client: &Client, view: &mut View<'_>, options: &Options) -> Result<Verdict, CtlError> {
    if options.list {
        for check in &CHECKS {
            view.line(format!("{:12}  {}", check.name, check.what))?;
        }
        return Ok(Verdict::Well);
    }
    let examined = examine(client, options).await;
    if view.json {
        view.line(json(&examined))?;
    } else {
        view.line(text(&examined))?;
    }
    Ok(if is_well(&examined) { Verdict::Well } else { Verdict::Unwell })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_shown_with_what_mends_them() {
        let examined = [
            Examined { name: "clock", findings: vec![Finding::ok("right")] },
            Examined {
                name: "dns",
                findings: vec![Finding::wrong("no\u{1b}name", "getent hosts x"), Finding::skipped("y")],
            },
        ];
        let shown = text(&examined);
        let expected = "ok       clock         right\nWRONG    dns           no name\n                       -> getent hosts x\n\
                        skipped  dns           y\n\n1 wrong (1 ok, 1 skipped)";
        assert_eq!(shown, expected);
        assert!(!is_well(&examined) && is_well(&examined[..1]));
        assert_eq!(json(&examined)["checks"][1]["findings"][0]["outcome"], "wrong");
    }

    #[test]
    fn every_check_has_a_name_of_its_own() {
        let mut all = names();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), CHECKS.len());
    }
}

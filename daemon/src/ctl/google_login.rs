//! `google login`: somebody consents in a browser, wherever it runs, and the daemon uses that at once.
//!
//! ```text
//! frontdeskctl ──address──► person ──► browser ──► Google
//!      ▲                                 │ back to 127.0.0.1:8765, by ssh -L if need be; or pasted
//!      └───────── code, state ───────────┘
//!      └─ code, verifier ──control socket──► frontdeskd ──► Google: tokens
//! ```

use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use clap::{Args, ValueEnum};
use http::{Method, StatusCode};
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;
use url::Url;

use super::browser::{Browser, BrowserError, Visit};
use super::client::Client;
use super::show::{plain, span};
use super::{CtlError, Verdict, View};
use crate::config::Secret;
use crate::google::consent::{Callback, Consent};
use crate::google::scope::{Feature, asked_for, asked_for_with_drafts};
use crate::http::reply::{GoogleFeature, GoogleLogin, GoogleReport, GoogleWho};

/// The daemon asks Google, for ten seconds at most, and writes a file.
const EXCHANGED_WITHIN: Duration = Duration::from_secs(30);
/// Back to the beginning of the line, and clear it.
const AGAIN: &str = "\r\x1b[K";

/// How to log in.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The port of this machine to which the browser comes back
    #[arg(long, default_value_t = 8765)]
    port: u16,
    /// Ask for this, instead of for what the configuration uses Google for. A login for mail ends when the account's
    /// password is changed, one for the calendar alone does not
    #[arg(long, value_name = "WHAT")]
    only: Option<Only>,
    /// Ask for the right to keep letters as drafts in place of the right to send alone: a letter whose sending breaks off
    /// is then sent exactly once. Asked for without this too, where it is granted already
    #[arg(long)]
    drafts: bool,
    /// The account that is to log in, which Google then suggests
    #[arg(long, value_name = "ADDRESS")]
    account: Option<String>,
    /// Seconds to wait for the browser
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
}

/// What to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Only {
    Calendar,
    Mail,
}

/// What is asked of Google, and where the answer comes to.
struct Asking<'a> {
    client: &'a Client,
    consent: Consent,
    scopes: Vec<String>,
    redirect_uri: String,
}

/// Lets somebody log in.
pub(super) async fn login(client: &Client, view: &mut View<'_>, options: &Options) -> Result<Verdict, CtlError> {
    client.target.needs_socket("logging in at Google")?;
    let report: GoogleReport = client.ask(Method::GET, "/v1/google").await?.json()?;
    let GoogleWho::User { client_id, page, account, .. } = report.who else { return Err(BrowserError::NoLogin.into()) };
    let page: Url = page.parse().map_err(|_| BrowserError::NoLogin)?;
    let mut browser = Browser::wait_at(options.port).await?;
    let asking = Asking {
        client,
        consent: Consent::new(&random()?),
        scopes: options.scopes(&report.features, report.drafts),
        redirect_uri: browser.redirect_uri(),
    };
    let hint = options.account.as_deref().or(account.as_deref());
    let address = asking.consent.address(&page, &client_id, &asking.redirect_uri, &asking.scopes, hint);
    explain(view, &address, &asking.redirect_uri, browser.port())?;
    let within = Duration::from_secs(options.wait);
    let ended = wait(&asking, &mut browser, view, within).await;
    browser.close().await;
    let report = ended?;
    if view.json {
        view.line(json!(report))?;
    } else {
        view.line(thanks(&report, view))?;
    }
    Ok(Verdict::Well)
}

impl Options {
    /// What to ask for; everything, if Google is not used for anything yet. A consent replaces the one before it: drafts that
    /// are granted are asked for again.
    fn scopes(&self, known: &[GoogleFeature], has_drafts: bool) -> Vec<String> {
        let used: Vec<Feature> = known.iter().filter(|known| known.used).map(|known| known.feature).collect();
        let features = match self.only {
            Some(Only::Calendar) => &[Feature::Calendar],
            Some(Only::Mail) => &[Feature::Mail],
            None if used.is_empty() => &Feature::ALL[..],
            None => &used,
        };
        let asked = if self.drafts || has_drafts { asked_for_with_drafts(features) } else { asked_for(features) };
        asked.into_iter().map(str::to_owned).collect()
    }
}

fn random() -> Result<[u8; 64], BrowserError> {
    let mut bytes = [0; 64];
    SystemRandom::new().fill(&mut bytes).map_err(|_| BrowserError::NoRandomness)?;
    Ok(bytes)
}

/// Says what to do, so that somebody who has never done it can.
fn explain(view: &mut View<'_>, address: &Url, redirect_uri: &str, port: u16) -> Result<(), CtlError> {
    if view.json {
        view.line(json!({ "address": address.as_str(), "redirect_uri": redirect_uri }))?;
    } else {
        view.line(format!(
            "Open this address in a browser, log in with the clinic's account, and leave every box ticked:\n\n  {address}\n\n\
             The browser then comes back to {redirect_uri} of the machine on which it runs. If that is not this\n\
             machine, let it reach this one first; there, in another terminal:\n\n  \
             ssh -L {port}:127.0.0.1:{port} {}\n\n\
             If the browser says that it cannot reach that page, copy the whole address that it shows, paste it here and\n\
             press Enter.\n",
            us()
        ))?;
    }
    view.out.flush()?;
    Ok(())
}

/// As whom and where a person reaches this machine; what is not known is left to them.
fn us() -> String {
    let user = ["SUDO_USER", "USER"].iter().find_map(|name| std::env::var(name).ok().filter(|user| user != "root"));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "THIS-MACHINE" } else { host.trim() };
    format!("{}@{}", plain(user.as_deref().unwrap_or("YOU")), plain(host))
}

/// Waits until somebody brings an answer that is one, and until it has had its effect: what the daemon has begun is not
/// given up, or nobody would know whether it is done.
async fn wait(
    asking: &Asking<'_>,
    browser: &mut Browser,
    view: &mut View<'_>,
    within: Duration,
) -> Result<GoogleReport, CtlError> {
    let counts_down = !view.json && std::io::stdout().is_terminal();
    let until = Instant::now() + within;
    let mut pasted = pasted_lines();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        let (visit, callback) = tokio::select! {
            visit = browser.next() => {
                let callback = asking.consent.read(&visit.target);
                (Some(visit), callback)
            }
            Some(line) = pasted.recv() => (None, asking.consent.read(&line)),
            () = tokio::time::sleep_until(until) => return Err(BrowserError::TooLate(within).into()),
            _ = seconds.tick(), if counts_down => {
                let left = span(until.saturating_duration_since(Instant::now()));
                write!(view.out, "{AGAIN}waiting for the browser, {left} left ")?;
                view.out.flush()?;
                continue;
            }
        };
        if counts_down {
            write!(view.out, "{AGAIN}")?;
        }
        if let Some(ended) = asking.answer(callback, visit, view).await? {
            return Ok(ended);
        }
    }
}

impl Asking<'_> {
    /// Takes an answer, and tells whoever brought it what came of it. Nothing: it is waited on.
    async fn answer(
        &self,
        callback: Callback,
        visit: Option<Visit>,
        view: &mut View<'_>,
    ) -> Result<Option<GoogleReport>, CtlError> {
        let was_pasted = visit.is_none();
        let show = |status, title: &str, text: &str| {
            if let Some(visit) = visit {
                visit.show(status, title, text);
            }
        };
        let ended = match callback {
            Callback::Code(code) => self.exchange(&code).await,
            Callback::Denied => Err(BrowserError::Denied.into()),
            Callback::Refused(why) => Err(BrowserError::Refused(why).into()),
            Callback::Foreign => {
                show(
                    StatusCode::BAD_REQUEST,
                    "Not this one",
                    "This answers another question. Open the newest address.",
                );
                say(view, "an answer came that is not to this question; open the address above")?;
                return Ok(None);
            }
            Callback::Nothing => {
                show(StatusCode::NOT_FOUND, "Nothing here", "There is nothing at this address.");
                if was_pasted {
                    say(view, "that is not the whole address: it begins with http:// and has code= in it")?;
                }
                return Ok(None);
            }
        };
        match &ended {
            Ok(_) => show(StatusCode::OK, "Done", "Frontdesk may use the account now. You can close this page."),
            Err(error) => show(StatusCode::BAD_REQUEST, "It did not work", &error.to_string()),
        }
        ended.map(Some)
    }

    /// Has the daemon trade the code for access.
    async fn exchange(&self, code: &Secret) -> Result<GoogleReport, CtlError> {
        let login = GoogleLogin {
            code: code.expose().to_owned(),
            verifier: self.consent.verifier().to_owned(),
            redirect_uri: self.redirect_uri.clone(),
            asked: self.scopes.clone(),
        };
        self.client.ask_with(Method::POST, "/v1/google/login", &login, EXCHANGED_WITHIN).await?.json()
    }
}

fn say(view: &mut View<'_>, text: &str) -> Result<(), CtlError> {
    if !view.json {
        view.line(text)?;
        view.out.flush()?;
    }
    Ok(())
}

fn thanks(report: &GoogleReport, view: &View<'_>) -> String {
    let account = match &report.who {
        GoogleWho::User { account: Some(account), .. } => plain(account),
        _ => "the account".to_owned(),
    };
    let granted = report.features.iter().filter(|feature| feature.granted == Some(true));
    let granted: Vec<&str> = granted.map(|feature| feature.feature.as_str()).collect();
    let end = report
        .health
        .ends_at
        .map(|at| format!("\nThe login ends on {}.", super::google::end(Some(at), Timestamp::now(), view)));
    format!(
        "Frontdesk may use {} of {account} from now on.{}\nTry it: frontdeskctl google test",
        granted.join(" and "),
        end.unwrap_or_default()
    )
}

/// Lines that somebody types or pastes. A thread of its own waits for them, and ends with the program.
fn pasted_lines() -> mpsc::Receiver<String> {
    let (lines, pasted) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    pasted
}

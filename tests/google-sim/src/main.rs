//! `google-sim`: the simulator as a program.

use std::{io::Write as _, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::{ArgAction, Parser};
use frontdesk_google_sim::{CalendarSetup, Consent, Fault, GoogleSim, Settings};

/// A simulator of Google's token server, Calendar and Gmail to test clients with.
///
/// It prints its address, under which every path is as at Google. What it does not know it refuses.
#[derive(Parser)]
#[command(name = "google-sim", version, after_long_help = HELP)]
struct Arguments {
    /// Where to serve http://
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    listen: SocketAddr,

    /// Where to write the service account's key file
    #[arg(long, value_name = "FILE")]
    key_out: Option<PathBuf>,

    /// Where to write the desktop client's file
    #[arg(long, value_name = "FILE")]
    client_out: Option<PathBuf>,

    /// The person's account: a mailbox, and the id of a main calendar
    #[arg(long, value_name = "ADDRESS", default_value = "frontdesk@clinic.example")]
    user: String,

    /// A calendar, as ID=ZONE; may be given several times; without it, three in London
    #[arg(long, value_name = "ID=ZONE", value_parser = calendar)]
    calendar: Vec<CalendarSetup>,

    /// Domain-wide delegation, as ADDRESS=SCOPE,SCOPE...; may be given several times
    #[arg(long, value_name = "ADDRESS=SCOPES", value_parser = delegation)]
    delegate: Vec<(String, Vec<String>)>,

    /// What the person at the consent page does: grant, deny, or "only SCOPE..."
    #[arg(long, value_name = "CONSENT", default_value = "grant")]
    consent: Consent,

    /// A fault for the next requests, see below; may be given several times
    #[arg(long, value_name = "FAULT")]
    fault: Vec<Fault>,

    /// Seconds that an access token lives
    #[arg(long, value_name = "SECONDS", default_value_t = 3_599)]
    token_life: u64,

    /// Days that a refresh token lives; 7 is a project in Testing; without it, for ever
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=36_500))]
    refresh_token_days: Option<u64>,

    /// Give a new refresh token with every refresh, and end the old one
    #[arg(long)]
    rotate: bool,

    /// Leave the Message-ID of sent mail alone
    #[arg(long)]
    keep_message_id: bool,

    /// The largest page of any list
    #[arg(long, value_name = "ENTRIES", default_value_t = 2_500)]
    largest_page: usize,

    /// Say what is asked and answered
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

const HELP: &str = "\
Faults, as NAME[:ARGUMENT][*TIMES][@METHOD]; METHOD is the beginning of a name as in Google's discovery documents, or
oauth.auth, oauth.token, oauth.tokeninfo, oauth.revoke:
  401                      the token is refused
  403-rate, 403-user-rate  rateLimitExceeded, userRateLimitExceeded
  403-quota, 403-daily     quotaExceeded, dailyLimitExceeded
  403-not-configured       accessNotConfigured
  403-policy               domainPolicy
  404                      notFound
  409, 409-conflict        duplicate, conflict
  410, 410-updated, 410-deleted  fullSyncRequired, updatedMinTooLongAgo, deleted
  412                      conditionNotMet
  429[:SECONDS]            rateLimitExceeded, with Retry-After
  500, 503[:SECONDS], 504  backendError
  502                      a proxy's page instead of JSON
  invalid-grant[:SUBTYPE]  of the token server, for example with invalid_rapt
  oauth:ERROR              of the token server, for example deleted_client
  slow:MILLISECONDS        processed, answered late
  cut-before, cut-after    cut without an answer, before or after it was processed
  half                     processed, cut in the middle of the answer
  malformed                processed, answered with broken JSON

While it runs, POST unless said otherwise:
  /sim/faults              faults in the body, as above; /sim/faults/clear takes them back
  /sim/outage?on=true      cut everything, until on=false
  /sim/consent             grant, deny, or only SCOPE... in the body
  /sim/pass?seconds=N      let time pass
  /sim/revoke              the person takes back all that was granted
  /sim/change-password     end the refresh tokens for Gmail
  /sim/expire-tokens       end all access tokens
  /sim/delete-key          delete the service account's key
  /sim/expire-sync-tokens?calendar=ID
  /sim/break-busy?calendar=ID[&reason=internalError]
  /sim/share?calendar=ID&email=ADDRESS&role=none|freeBusyReader|reader|writer|owner
  /sim/staff/add?calendar=ID, /sim/staff/change?calendar=ID&event=ID with an event in the body,
  /sim/staff/delete?calendar=ID&event=ID   what a person does by hand
  GET /sim/events?calendar=ID, /sim/mail, /sim/requests, /sim/service-account.json, /sim/client.json

Examples:
  google-sim -v --key-out key.json
  google-sim --calendar dr-osei@clinic.example=Europe/London --fault 503*2@calendar.freebusy
  curl -d '429:30*2@calendar.events cut-after@gmail.users.messages.send' http://127.0.0.1:9090/sim/faults";

fn calendar(text: &str) -> Result<CalendarSetup, String> {
    let (id, zone) =
        text.split_once('=').ok_or("expected ID=ZONE, for example dr-osei@clinic.example=Europe/London")?;
    Ok(CalendarSetup::new(id, id, zone))
}

fn delegation(text: &str) -> Result<(String, Vec<String>), String> {
    let (address, scopes) = text.split_once('=').ok_or("expected ADDRESS=SCOPE,SCOPE...")?;
    Ok((address.to_owned(), scopes.split(',').map(str::to_owned).collect()))
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let level = ["warn", "info", "debug"][usize::from(arguments.verbose.min(2))];
    let filter = format!("warn,frontdesk_google_sim={level}");
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
    let defaults = Settings::default();
    let calendars = if arguments.calendar.is_empty() { defaults.calendars } else { arguments.calendar };
    let settings = Settings {
        listen: arguments.listen,
        user: arguments.user,
        calendars,
        delegation: arguments.delegate.into_iter().collect(),
        consent: arguments.consent,
        access_token_life: Duration::from_secs(arguments.token_life),
        refresh_token_life: arguments.refresh_token_days.map(|days| Duration::from_hours(24 * days)),
        rotate_refresh_tokens: arguments.rotate,
        rewrite_message_id: !arguments.keep_message_id,
        largest_page: arguments.largest_page,
        faults: arguments.fault,
        ..Settings::default()
    };
    let sim = GoogleSim::start(settings).await.context("cannot start")?;
    if let Some(path) = &arguments.key_out {
        sim.write_service_account_key(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &arguments.client_out {
        std::fs::write(path, sim.client_file()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", sim.base())?;
    out.flush()?;
    drop(out);
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
    Ok(())
}

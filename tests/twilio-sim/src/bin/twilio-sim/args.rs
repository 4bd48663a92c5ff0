//! The command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use frontdesk_twilio_sim::{CallPlan, Caller, Settings, Step, Target, Utterance};
use frontdesk_voice::{Voice, speak};

use crate::fault_args::FaultArgs;

/// Calls a phone bridge as Twilio would: signed webhooks, TwiML, a media stream with Twilio's playback queue, and a REST
/// interface for the bridge to call back. The caller speaks each line of --say once the agent has spoken and fallen
/// silent, and hangs up after the last answer.
///
/// Exit status: 0 if the call went well, 1 if it failed, was silent or broke a rule of Twilio, 2 for a wrong command line.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// What to do instead of calling
    #[command(subcommand)]
    pub(crate) mode: Option<Mode>,

    /// Where the REST interface listens
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    listen: SocketAddr,
    /// The simulated account
    #[arg(long, env = "TWILIO_ACCOUNT_SID", default_value = "AC00000000000000000000000000000001")]
    account_sid: String,
    /// Its auth token: signs webhooks and opens the REST interface
    #[arg(long, env = "TWILIO_AUTH_TOKEN", default_value = "0123456789abcdef0123456789abcdef", hide_env_values = true)]
    auth_token: String,

    /// What Twilio sees of the bridge; webhooks go to paths under it and are signed for it
    #[arg(long, default_value = "https://desk.example.com", value_name = "URL")]
    public_url: String,
    /// The number's voice URL [default: /twilio/voice under the public URL]
    #[arg(long, value_name = "URL")]
    voice_url: Option<String>,
    /// The number's status callback [default: /twilio/status under the public URL]
    #[arg(long, value_name = "URL")]
    status_url: Option<String>,
    /// The number's fallback URL [default: none]
    #[arg(long, value_name = "URL")]
    fallback_url: Option<String>,
    /// Connect to this address instead of the public host, in the clear unless --tls is given
    #[arg(long, value_name = "ADDR")]
    connect_to: Option<SocketAddr>,
    /// Speak TLS to the address of --connect-to
    #[arg(long)]
    tls: bool,
    /// The CA that the bridge's certificate comes from, PEM [default: those the machine trusts]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// The caller's number
    #[arg(long, default_value = "+15550100200")]
    from: String,
    /// The called number
    #[arg(long, default_value = "+15550100100")]
    to: String,
    /// A further webhook parameter, such as ForwardedFrom=+15550100300 (repeatable)
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,

    /// A line of the caller, spoken after the agent has fallen silent (repeatable)
    #[arg(long, value_name = "TEXT")]
    say: Vec<String>,
    /// A line spoken over the agent's last answer, once it has been audible for a second
    #[arg(long, value_name = "TEXT")]
    interrupt: Option<String>,
    /// Keys pressed after the lines
    #[arg(long, value_name = "DIGITS")]
    digits: Option<String>,
    /// How long the agent must be quiet before the caller speaks
    #[arg(long, default_value_t = 1_200, value_name = "MS")]
    quiet: u64,
    /// How long the caller waits for the agent before going on
    #[arg(long, default_value_t = 20, value_name = "SECONDS")]
    patience: u64,
    /// Level of noise on the caller's line, in dBFS
    #[arg(long, value_name = "DBFS", allow_negative_numbers = true)]
    noise: Option<f32>,
    /// What the caller says into a voicemail
    #[arg(long, value_name = "TEXT")]
    voicemail: Option<String>,
    /// Stay on the line after the last answer until the bridge ends the call
    #[arg(long)]
    stay: bool,
    /// Keep the REST interface open after the call, until interrupted
    #[arg(long)]
    pub(crate) serve: bool,
    /// The longest call
    #[arg(long, default_value_t = 180, value_name = "SECONDS")]
    pub(crate) time_limit: u64,

    /// Write the call to this file: the caller on the left, the agent on the right
    #[arg(long, value_name = "FILE.wav")]
    pub(crate) record: Option<PathBuf>,
    /// So many calls at once, one line of summary each second
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) calls: usize,
    /// How often per second a new one of these calls begins
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) calls_per_second: u32,

    #[command(flatten)]
    faults: FaultArgs,
    /// Seed of identifiers and noise
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What to do instead of calling.
#[derive(Debug, Subcommand)]
pub(crate) enum Mode {
    /// Sign a request and print the signature, or check a file of signed requests
    Sign(SignArgs),
}

/// Signing.
#[derive(Debug, clap::Args)]
pub(crate) struct SignArgs {
    /// The URL, as configured with Twilio
    #[arg(long, required_unless_present = "vectors")]
    pub(crate) url: Option<String>,
    /// The auth token
    #[arg(long, default_value = "0123456789abcdef0123456789abcdef")]
    pub(crate) token: String,
    /// SHA-256 with a shared key instead of SHA-1 with the auth token
    #[arg(long)]
    pub(crate) sha256: bool,
    /// A form parameter (repeatable)
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub(crate) params: Vec<String>,
    /// A JSON file of requests with `token`, `url`, `params`; prints it with our signatures as one JSON line each
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub(crate) vectors: Option<PathBuf>,
}

impl Args {
    /// The account.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            account_sid: self.account_sid.clone(),
            auth_token: self.auth_token.clone(),
            number: self.to.clone(),
            listen: self.listen,
            ca: self.ca.clone(),
            seed: self.seed,
            ..Settings::default()
        }
    }

    /// The call. Errors: a line cannot be spoken, a URL or parameter is malformed.
    pub(crate) fn plan(&self) -> anyhow::Result<CallPlan> {
        let base = self.public_url.trim_end_matches('/');
        let under = |given: &Option<String>, path| given.clone().unwrap_or_else(|| format!("{base}{path}"));
        let mut plan = CallPlan::to_url(under(&self.voice_url, "/twilio/voice"));
        plan.status_callback = Some(under(&self.status_url, "/twilio/status"));
        plan.fallback_url.clone_from(&self.fallback_url);
        plan.from.clone_from(&self.from);
        plan.time_limit = Duration::from_secs(self.time_limit);
        if let Some(addr) = self.connect_to {
            let host = base.split_once("://").map(|(_, rest)| rest);
            let host = host.and_then(|rest| rest.split('/').next());
            let host = host.with_context(|| format!("--public-url {base:?} names no host"))?;
            plan.connect_to.insert(host.to_owned(), Target { addr, tls: self.tls });
        }
        plan.extra_params = pairs(&self.params)?;
        plan.voicemail = self.voicemail.as_deref().map(spoken).transpose()?;
        self.faults.apply(&mut plan);
        plan.caller = self.caller()?;
        Ok(plan)
    }

    fn caller(&self) -> anyhow::Result<Caller> {
        let timeout = Duration::from_secs(self.patience);
        let wait = Step::WaitForSilence { quiet: Duration::from_millis(self.quiet), timeout };
        let mut steps = vec![wait.clone()];
        for (n, line) in self.say.iter().enumerate() {
            steps.push(Step::Say(Utterance::new(line.as_str(), &spoken(line)?)));
            let last = n + 1 == self.say.len();
            if !(last && self.interrupt.is_some()) {
                steps.push(wait.clone());
            }
        }
        if let Some(line) = &self.interrupt {
            steps.push(Step::Interrupt {
                after: Duration::from_secs(1),
                timeout,
                say: Utterance::new(line.as_str(), &spoken(line)?),
            });
            steps.push(wait.clone());
        }
        if let Some(digits) = &self.digits {
            steps.push(Step::Digits(digits.clone()));
            steps.push(wait);
        }
        for fault in self.faults.in_stream() {
            steps.push(Step::Fault(fault));
            steps.push(Step::Pause(Duration::from_secs(2)));
        }
        if !self.stay {
            steps.push(Step::HangUp);
        }
        Ok(Caller { steps, noise_dbfs: self.noise })
    }
}

/// `NAME=VALUE` pairs.
pub(crate) fn pairs(given: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    given
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => bail!("--param {pair:?}: NAME=VALUE wanted"),
        })
        .collect()
}

fn spoken(text: &str) -> anyhow::Result<Vec<i16>> {
    speak(text, &Voice::default(), 8_000).with_context(|| format!("cannot speak {text:?}"))
}

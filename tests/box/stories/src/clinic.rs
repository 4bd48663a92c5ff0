//! The clinic that this box serves: its configuration, its secrets, and the outside world in two simulators.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use frontdesk_gemini_sim::{GeminiSim, Scenario, Settings as GeminiSettings};
use frontdesk_tests::daemon::{FALLBACK, NUMBER, PUBLIC_URL};
use frontdesk_tests::script::booking;
use frontdesk_twilio_sim::{CallHandle, CallPlan, Caller, Settings as TwilioSettings, Step, Target, TwilioSim};

use crate::guest::write;

/// What the key begins with that must be nowhere but in the service's own credentials.
pub(crate) const GEMINI_KEY: &str = "box-key-7f3a9e21-of-nobody";
/// Our configuration, beside the shipped one.
pub(crate) const DROP_IN: &str = "/etc/frontdesk/config.d/50-box.toml";
/// Where secrets lie.
pub(crate) const CREDENTIALS: &str = "/etc/credstore";
const AUTHORITY: &str = "/etc/frontdesk/box-authority.pem";
const DATA: &str = "/etc/frontdesk/box-clinic.toml";
/// The clinic is the shipped example.
const CLINIC: &str = include_str!("../../../../images/config/clinic.toml");
/// Where Twilio reaches the daemon.
const PUBLIC: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8091);
/// Where the model is; the same after a reboot.
const GEMINI_PORT: u16 = 9443;
/// Where the phone company's REST interface is.
const TWILIO_PORT: u16 = 9444;

/// The outside world.
pub(crate) struct Clinic {
    /// Google's end.
    pub(crate) gemini: GeminiSim,
    /// Twilio's end.
    pub(crate) twilio: TwilioSim,
    /// What is said.
    pub(crate) scenario: Scenario,
}

impl Clinic {
    /// Starts the simulators.
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let scenario = booking();
        let gemini = GeminiSettings {
            tls_listen: Some(local(GEMINI_PORT)),
            scenario: scenario.clone(),
            ca_out: Some(PathBuf::from("/run/box-authority.pem")),
            ..GeminiSettings::default()
        };
        let gemini = GeminiSim::start(gemini).await.context("gemini-sim")?;
        let twilio = TwilioSettings { listen: local(TWILIO_PORT), ..TwilioSettings::default() };
        let twilio = TwilioSim::start(twilio).await.context("twilio-sim")?;
        Ok(Self { gemini, twilio, scenario })
    }

    /// Writes what a technician writes: configuration and secrets.
    pub(crate) fn provision(&self) -> anyhow::Result<()> {
        let authority = std::fs::read_to_string(self.gemini.ca_path())?;
        write(Path::new(AUTHORITY), &authority, 0o644)?;
        write(Path::new(DATA), CLINIC, 0o644)?;
        self.configure("")?;
        self.secrets()
    }

    /// Writes the configuration; `more` is appended.
    pub(crate) fn configure(&self, more: &str) -> anyhow::Result<()> {
        let text = format!(
            "[clinic]\nname = \"Riverside Clinic\"\ntime_zone = \"Europe/Berlin\"\nfile = {DATA:?}\n\n\
             [gemini]\nendpoint = {:?}\nca_file = {AUTHORITY:?}\n\n\
             [phone]\npublic_url = {PUBLIC_URL:?}\nnumber = {NUMBER:?}\nfallback_number = {FALLBACK:?}\n\
             twilio_api = {:?}\ndrain_seconds = 20\n\n\
             [desk]\ndevice = \"auto\"\nwake = \"button\"\n{more}",
            self.gemini.wss_base(),
            self.twilio.api_base(),
        );
        write(Path::new(DROP_IN), &text, 0o644)
    }

    /// The secrets, by their names.
    pub(crate) fn secret_values(&self) -> [(&'static str, String); 3] {
        let settings = self.twilio.settings();
        [
            ("gemini-api-key", GEMINI_KEY.to_owned()),
            ("twilio-account-sid", settings.account_sid.clone()),
            ("twilio-auth-token", settings.auth_token.clone()),
        ]
    }

    /// What somebody fills in in the shipped configuration, by its keys; `authority` is who vouches for Google's end.
    pub(crate) fn filled_in(&self, authority: &str) -> [(&'static str, String); 8] {
        [
            ("name", "Riverside Clinic".to_owned()),
            ("time_zone", "Europe/Berlin".to_owned()),
            ("endpoint", self.gemini.wss_base()),
            ("ca_file", authority.to_owned()),
            ("public_url", PUBLIC_URL.to_owned()),
            ("number", NUMBER.to_owned()),
            ("fallback_number", FALLBACK.to_owned()),
            ("twilio_api", self.twilio.api_base()),
        ]
    }

    /// Writes the secrets as the unit's comments say.
    pub(crate) fn secrets(&self) -> anyhow::Result<()> {
        for (name, secret) in self.secret_values() {
            write(&Path::new(CREDENTIALS).join(name), &secret, 0o600)?;
        }
        std::fs::set_permissions(CREDENTIALS, std::fs::Permissions::from_mode(0o700))?;
        Ok(())
    }

    /// Somebody calls the clinic and does this.
    pub(crate) fn call(&self, steps: impl IntoIterator<Item = Step>) -> CallHandle {
        let mut plan = CallPlan::to_url(format!("{PUBLIC_URL}/twilio/voice"));
        plan.status_callback = Some(format!("{PUBLIC_URL}/twilio/status"));
        plan.connect_to = [("desk.example.com".to_owned(), Target { addr: PUBLIC, tls: false })].into_iter().collect();
        plan.caller = Caller::new(steps);
        self.twilio.call(plan)
    }

    /// What the model has understood, in the sessions from this one on.
    pub(crate) fn understood(&self, from: usize) -> Vec<String> {
        let sessions = self.gemini.sessions();
        let utterances = sessions.iter().skip(from).flat_map(|session| session.utterances.iter());
        utterances.filter_map(|heard| heard.recognised.clone()).collect()
    }
}

//! A whole rehearsal world, and what is said in it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use frontdesk_gemini_sim::{GeminiSim, Scenario, Settings as GeminiSettings};
use frontdesk_twilio_sim::{
    CallHandle, CallPlan, Caller, Settings as TwilioSettings, Step, Target, TwilioSim, Utterance,
};
use frontdesk_voice::{Recogniser, Voice, speak};
use tempfile::TempDir;

use crate::daemon::{Daemon, PUBLIC_URL, Plan, home};
use crate::script;

/// Simulators and the daemon between them.
pub struct World {
    /// Google's end.
    pub gemini: GeminiSim,
    /// Twilio's end.
    pub twilio: TwilioSim,
    /// The daemon.
    pub daemon: Daemon,
    /// How the daemon was started, to start another one.
    pub plan: Plan,
    _home: Arc<TempDir>,
}

/// How a world is built.
pub struct Making {
    /// Google's end.
    pub gemini: GeminiSettings,
    /// Twilio's end.
    pub twilio: TwilioSettings,
    /// See [`Plan::lines`].
    pub lines: Vec<(&'static str, String)>,
    /// See [`Plan::environment`].
    pub environment: Vec<(&'static str, String)>,
}

impl Default for Making {
    fn default() -> Self {
        let gemini = GeminiSettings { scenario: script::clinic(), ..GeminiSettings::default() };
        Self { gemini, twilio: TwilioSettings::default(), lines: Vec::new(), environment: Vec::new() }
    }
}

impl World {
    /// The usual world: a clinic's receptionist, no faults.
    pub async fn start() -> anyhow::Result<Self> {
        Self::make(Making::default()).await
    }

    /// A world to order.
    pub async fn make(making: Making) -> anyhow::Result<Self> {
        let gemini = GeminiSim::start(making.gemini).await.context("gemini-sim")?;
        let twilio = TwilioSim::start(making.twilio).await.context("twilio-sim")?;
        let home = Arc::new(home()?);
        let plan = Plan {
            lines: making.lines,
            environment: making.environment,
            gemini: gemini.wss_base(),
            gemini_ca: Some(gemini.ca_path().to_owned()),
            gemini_key: "a-key-for-rehearsals".into(),
            twilio_api: twilio.api_base(),
            account_sid: twilio.settings().account_sid.clone(),
            auth_token: twilio.settings().auth_token.clone(),
            home: home.path().to_owned(),
        };
        let daemon = Daemon::start(&plan).await?;
        Ok(Self { gemini, twilio, daemon, plan, _home: home })
    }

    /// Starts the daemon again, with the same files.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.daemon = Daemon::start(&self.plan).await?;
        Ok(())
    }

    /// A call to this world's daemon by a caller who does `steps`.
    pub fn plan_call(&self, steps: impl IntoIterator<Item = Step>) -> CallPlan {
        let mut plan = CallPlan::to_url(format!("{PUBLIC_URL}/twilio/voice"));
        plan.status_callback = Some(format!("{PUBLIC_URL}/twilio/status"));
        let daemon = Target { addr: self.daemon.public, tls: false };
        plan.connect_to = [("desk.example.com".to_owned(), daemon)].into_iter().collect();
        plan.caller = Caller::new(steps);
        plan
    }

    /// Places that call.
    pub fn call(&self, steps: impl IntoIterator<Item = Step>) -> CallHandle {
        self.twilio.call(self.plan_call(steps))
    }
}

/// What the rehearsal's caller says at 8 kHz, in the voice that the receptionist recognises.
pub fn caller_says(scenario: &Scenario, text: &str) -> anyhow::Result<Utterance> {
    Ok(Utterance::new(text, &speak(text, &scenario.caller_voice(), 8_000)?))
}

/// Recognises the receptionist's lines in what a caller heard at 8 kHz.
pub fn agent_recogniser(scenario: &Scenario, lines: &[&str]) -> anyhow::Result<Recogniser> {
    recogniser(&scenario.voice(), lines)
}

fn recogniser(voice: &Voice, lines: &[&str]) -> anyhow::Result<Recogniser> {
    let spoken = lines.iter().map(|line| Ok(((*line).to_owned(), speak(line, voice, 8_000)?)));
    Ok(Recogniser::new(8_000, spoken.collect::<anyhow::Result<Vec<_>>>()?))
}

/// The caller waits until the agent has said its say.
pub fn listen() -> Step {
    Step::WaitForSilence { quiet: Duration::from_millis(900), timeout: Duration::from_secs(20) }
}

//! Both simulators in a process of their own, loading one bridge with calls.
//!
//! Started by the bench: offers its simulators on standard output, takes an order from standard input, answers with
//! the outcome. Calls begin one after the other, so that a session's number is its call's.

mod judge;
mod machine;
mod memory;
mod process;
mod protocol;
mod tape;

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use frontdesk_gemini_sim::{
    Exchange, Fault, GeminiSim, Scenario, Settings as GeminiSettings, Target as Session, Timing,
};
use frontdesk_twilio_sim::{
    CallHandle, CallPlan, CallReport, Caller, FRAME, Settings as TwilioSettings, Step, Target, TwilioSim, Utterance,
};
use frontdesk_voice::{resample, speak};

use judge::{Judged, Sum, quantiles};
use machine::Machine;
use memory::rss_kib;
use process::CpuTime;
use protocol::{Offer, Order, Outcome};
use tape::{LOUD, Tapes};

const PUBLIC_URL: &str = "https://desk.example.com";
const GREETING: &str = "Riverside Clinic, good morning.";
const QUESTION: &str = "Hello, I would like to know when you are open, and what I should bring to my first visit.";
const REPLY: &str = "We are open Monday to Friday from eight until six. Please bring your card.";
/// The agent's silence after which a caller speaks.
const MANNERS: Duration = Duration::from_millis(400);
/// Most callers wait that long for the agent; then they go on, and the report says so.
const PATIENCE: Duration = Duration::from_secs(15);
/// Callers begin that far apart, which is no multiple of a frame: their frames spread evenly.
const APART: Duration = Duration::from_micros(23_700);
/// Seconds that a question and its answer take, roughly.
const TURN: f64 = 8.0;
/// The last to begin has been greeted and speaks.
const SETTLE: Duration = Duration::from_secs(12);
/// From a reply's beginning to its interruption: all of it has been sent, little of it heard.
const INTO_REPLY: Duration = Duration::from_millis(1_200);
const CONNECT_WITHIN: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let most: usize = std::env::args().nth(1).and_then(|word| word.parse().ok()).context("usage: load CALLS")?;
    let tapes = Tapes::new(most);
    let scenario = scenario();
    let (question, reply) = sounds(&scenario)?;
    let gemini = GeminiSim::start(GeminiSettings {
        scenario,
        recognise: false,
        timing: Timing { reply_delay: Duration::from_millis(250), ..Timing::default() },
        on_audio: Some(tapes.on_audio()),
        on_sent_audio: Some(tapes.on_sent_audio()),
        ..GeminiSettings::default()
    })
    .await?;
    let twilio = TwilioSim::start(TwilioSettings { hooks: tapes.line_hooks(), ..TwilioSettings::default() }).await?;
    tell(&Offer {
        gemini: gemini.wss_base(),
        ca: gemini.ca_path().to_owned(),
        twilio_api: twilio.api_base(),
        account_sid: twilio.settings().account_sid.clone(),
        auth_token: twilio.settings().auth_token.clone(),
    })?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line).context("no order")?;
    let world = World { gemini, twilio, tapes, question, reply };
    tell(&world.run(&order).await?)?;
    world.twilio.stop().await;
    world.gemini.stop().await;
    Ok(())
}

fn tell(message: &impl serde::Serialize) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{}", serde_json::to_string(message)?)?;
    Ok(())
}

fn scenario() -> Scenario {
    let exchange = Exchange { caller: QUESTION.into(), reply: REPLY.into(), ..Exchange::default() };
    Scenario {
        greeting: GREETING.into(),
        exchanges: vec![exchange],
        fallback: REPLY.into(),
        on_text: REPLY.into(),
        on_content: REPLY.into(),
        ..Scenario::default()
    }
}

/// What callers say, between its markers, and what the agent answers; both at 8 kHz.
fn sounds(scenario: &Scenario) -> anyhow::Result<(Vec<i16>, Vec<i16>)> {
    let mut question = speak(QUESTION, &scenario.caller_voice(), 8_000)?;
    let peak = question.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(1).max(1);
    for sample in &mut question {
        *sample = (i32::from(*sample) * i32::from(LOUD) * 6 / 10 / i32::from(peak)) as i16;
    }
    // Ends within a frame: the last samples are those that are easily lost.
    question.truncate(question.len() / FRAME * FRAME + 7);
    let marker: Vec<i16> =
        (0..=40).map(|n| (28_000.0 * (std::f64::consts::FRAC_PI_4 * f64::from(n)).cos()) as i16).collect();
    let end = question.len() - marker.len();
    question[..marker.len()].copy_from_slice(&marker);
    question[end..].copy_from_slice(&marker);
    let reply = speak(REPLY, &scenario.voice(), 24_000)?;
    let whole = reply.len() / 3;
    let mut reply = resample(&reply, 24_000, 8_000);
    reply.resize(whole, 0);
    Ok((question, reply))
}

struct World {
    gemini: GeminiSim,
    twilio: TwilioSim,
    tapes: Tapes,
    question: Vec<i16>,
    reply: Vec<i16>,
}

impl World {
    async fn run(&self, order: &Order) -> anyhow::Result<Outcome> {
        let calls = self.begin(order).await?;
        tokio::time::sleep(SETTLE).await;
        let bridge = order.pid.to_string();
        let (began, machine) = (Instant::now(), Machine::now()?);
        let (bridge_cpu, load_cpu) = (CpuTime::of(&bridge)?, CpuTime::of("self")?);
        tokio::time::sleep(Duration::from_secs_f64(order.seconds)).await;
        let window = began..Instant::now();
        let seconds = (window.end - window.start).as_secs_f64();
        let mut outcome = Outcome {
            calls: order.calls,
            seconds,
            bridge_cpu: CpuTime::of(&bridge)?.since(&bridge_cpu),
            load_cpu: CpuTime::of("self")?.since(&load_cpu),
            busy: Machine::now()?.busy_since(machine),
            rss_kib: rss_kib(order.pid)?,
            up: None,
            down: None,
            clear: None,
            webhook: None,
            webhook_again: None,
            up_filter_ms: None,
            lost: 0.0,
            utterances: 0,
            replies: 0,
            incomplete: 0,
            underruns: 0,
            talk: [0.0; 2],
            faults: Vec::new(),
        };
        let reports: Vec<_> = calls.iter().map(CallHandle::report).collect();
        let sessions = self.gemini.sessions();
        let first = |report: &CallReport| report.webhooks.first().map(|webhook| webhook.took.as_secs_f64() * 1e6);
        outcome.webhook = quantiles(reports.iter().filter_map(first).collect());
        outcome.webhook_again = quantiles(webhooks(&calls, order.webhooks).await?);
        self.interrupt(order).await;
        let mut sum = Sum::default();
        for (call, (report, session)) in reports.iter().zip(&sessions).enumerate() {
            let (line, live) = (self.tapes.line(call), self.tapes.live(call));
            let window = window.clone();
            let (reply, utterance) = (self.reply.as_slice(), self.question.len());
            sum.add(&Judged { call, line: &line, live: &live, report, session, window, reply, utterance });
        }
        if sessions.len() != reports.len() {
            sum.faults.push(format!("{} calls had {} sessions", reports.len(), sessions.len()));
        }
        finish(&mut outcome, sum);
        Ok(outcome)
    }

    /// Places the calls, each once the session of the one before it is there.
    async fn begin(&self, order: &Order) -> anyhow::Result<Vec<CallHandle>> {
        let turns = ((order.seconds + 60.0) / TURN) as usize;
        let mut calls = Vec::with_capacity(order.calls);
        let mut next = tokio::time::Instant::now();
        for n in 0..order.calls {
            tokio::time::sleep_until(next).await;
            next = tokio::time::Instant::now() + APART;
            calls.push(self.twilio.call(self.plan(order, n, turns)));
            let connected = self.gemini.wait_for(|sessions| sessions.len() > n, CONNECT_WITHIN).await;
            connected.map_err(|_| anyhow::anyhow!("call {n} did not reach the model:\n{:#?}", calls[n].report()))?;
        }
        Ok(calls)
    }

    fn plan(&self, order: &Order, n: usize, turns: usize) -> CallPlan {
        let mut plan = CallPlan::to_url(format!("{PUBLIC_URL}/twilio/voice"));
        plan.status_callback = Some(format!("{PUBLIC_URL}/twilio/status"));
        let bridge = Target { addr: order.bridge, tls: false };
        plan.connect_to = [("desk.example.com".to_owned(), bridge)].into_iter().collect();
        plan.record_audio = false;
        let listen = Step::WaitForSilence { quiet: MANNERS, timeout: PATIENCE };
        // Everybody in another part of the turn: the golden ratio spreads any number of calls evenly.
        let spread = (n as f64 * 0.618_034).fract() * TURN;
        let mut steps = vec![listen.clone(), Step::Pause(Duration::from_secs_f64(spread))];
        for _ in 0..turns {
            steps.push(Step::Say(Utterance::new("question", &self.question)));
            steps.push(listen.clone());
        }
        plan.caller = Caller::new(steps);
        plan
    }

    /// Interrupts every reply that is long enough under way.
    async fn interrupt(&self, order: &Order) {
        let until = Instant::now() + Duration::from_secs_f64(order.interrupt_seconds);
        let mut done: Vec<Option<Instant>> = vec![None; order.calls];
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while Instant::now() < until {
            ticks.tick().await;
            for (session, done) in done.iter_mut().enumerate() {
                let began = self.tapes.live(session).reply_began;
                let due = began.filter(|began| (INTO_REPLY..2 * INTO_REPLY).contains(&began.elapsed()));
                if due.is_some() && *done != began {
                    *done = began;
                    self.tapes.live(session).interrupted.push(Instant::now());
                    self.gemini.inject(Session::Session(session), Fault::Strays);
                }
            }
        }
        if order.interrupt_seconds > 0.0 {
            // The last answers are still on their way.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// Asks again what to do with running calls, as Twilio does when an answer was lost. Microseconds each.
async fn webhooks(calls: &[CallHandle], count: usize) -> anyhow::Result<Vec<f64>> {
    let mut took = Vec::with_capacity(count);
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for call in calls.iter().cycle().take(count) {
        ticks.tick().await;
        let asked = Instant::now();
        let status = call.replay_webhook(0).await.map_err(|alert| anyhow::anyhow!("a webhook failed: {alert}"))?;
        anyhow::ensure!(status == 200, "a webhook was answered {status}");
        took.push(asked.elapsed().as_secs_f64() * 1e6);
    }
    Ok(took)
}

fn finish(outcome: &mut Outcome, sum: Sum) {
    let held: f64 = sum.up_filter.iter().sum();
    outcome.up_filter_ms = (!sum.up_filter.is_empty()).then(|| held / sum.up_filter.len() as f64 / 16.0);
    outcome.lost = sum.samples[1] as f64 / sum.samples[0].max(1) as f64;
    [outcome.utterances, outcome.replies, outcome.incomplete] = sum.judged;
    outcome.underruns = sum.underruns;
    outcome.talk = sum.talk.map(|talk| talk / outcome.seconds / outcome.calls as f64);
    outcome.up = quantiles(sum.up);
    outcome.down = quantiles(sum.down);
    outcome.clear = quantiles(sum.clear);
    outcome.faults = sum.faults;
}

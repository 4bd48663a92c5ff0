//! Options that make the world around the bridge worse than it should be.

use std::time::Duration;

use clap::ValueEnum;
use frontdesk_twilio_sim::{CallPlan, DialOutcome, Fault, SignatureMode, StartMode, WebhookFault};

/// Faults and their like.
#[derive(Debug, clap::Args)]
pub(crate) struct FaultArgs {
    /// What happens when the bridge dials somebody
    #[arg(long, value_enum, default_value_t = DialArg::Answer)]
    dial: DialArg,
    /// A fault in the middle of the stream, after the last line (repeatable)
    #[arg(long, value_enum)]
    fault: Vec<FaultArg>,
    /// How the stream's handshake is signed
    #[arg(long, value_enum, default_value_t = SignatureArg::Wss)]
    stream_signature: SignatureArg,
    /// What the stream's start message says
    #[arg(long, value_enum, default_value_t = StartArg::Normal)]
    start: StartArg,
    /// What is wrong with the webhooks
    #[arg(long, value_enum, default_value_t = WebhookArg::None)]
    webhook_fault: WebhookArg,
    /// Counters of the stream as numbers instead of strings
    #[arg(long)]
    numeric_counters: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DialArg {
    Answer,
    Busy,
    NoAnswer,
    Failed,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FaultArg {
    Garbage,
    WrongStreamSid,
    Binary,
    HugeText,
    UnknownEvent,
    Freeze,
    LostGap,
    Burst,
    SlowSender,
    SlowReader,
    HalfOpen,
    DropTcp,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SignatureArg {
    Wss,
    WssSlash,
    Https,
    Wrong,
    None,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StartArg {
    Normal,
    Missing,
    ForeignCall,
    ForeignAccount,
    NoParameters,
    OtherFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum WebhookArg {
    None,
    WrongToken,
    MissingSignature,
    AlteredBody,
    HostCase,
    OtherAccount,
}

impl FaultArgs {
    /// Faults in the middle of the stream, in order.
    pub(crate) fn in_stream(&self) -> impl Iterator<Item = Fault> {
        self.fault.iter().map(|&fault| fault.into())
    }

    /// Everything else.
    pub(crate) fn apply(&self, plan: &mut CallPlan) {
        plan.dial_outcomes = vec![match self.dial {
            DialArg::Answer => DialOutcome::default(),
            DialArg::Busy => DialOutcome::Busy,
            DialArg::NoAnswer => DialOutcome::NoAnswer,
            DialArg::Failed => DialOutcome::Failed,
        }];
        plan.webhook_fault = self.webhook_fault.into();
        plan.stream.signature = self.stream_signature.into();
        plan.stream.start = self.start.into();
        plan.stream.numeric_counters = self.numeric_counters;
    }
}

impl From<FaultArg> for Fault {
    fn from(arg: FaultArg) -> Self {
        match arg {
            FaultArg::Garbage => Self::Garbage,
            FaultArg::WrongStreamSid => Self::WrongStreamSid,
            FaultArg::Binary => Self::Binary,
            FaultArg::HugeText => Self::HugeText(10_000_000),
            FaultArg::UnknownEvent => Self::UnknownEvent,
            FaultArg::Freeze => Self::Freeze(Duration::from_secs(10)),
            FaultArg::LostGap => Self::LostGap(10),
            FaultArg::Burst => Self::Burst(25),
            FaultArg::SlowSender => Self::SlowSender(2),
            FaultArg::SlowReader => Self::SlowReader(Duration::from_secs(10)),
            FaultArg::HalfOpen => Self::HalfOpen,
            FaultArg::DropTcp => Self::DropTcp,
        }
    }
}

impl From<SignatureArg> for SignatureMode {
    fn from(arg: SignatureArg) -> Self {
        match arg {
            SignatureArg::Wss => Self::Wss,
            SignatureArg::WssSlash => Self::WssSlash,
            SignatureArg::Https => Self::Https,
            SignatureArg::Wrong => Self::Wrong,
            SignatureArg::None => Self::None,
        }
    }
}

impl From<StartArg> for StartMode {
    fn from(arg: StartArg) -> Self {
        match arg {
            StartArg::Normal => Self::Normal,
            StartArg::Missing => Self::Missing,
            StartArg::ForeignCall => Self::ForeignCall,
            StartArg::ForeignAccount => Self::ForeignAccount,
            StartArg::NoParameters => Self::NoParameters,
            StartArg::OtherFormat => Self::OtherFormat,
        }
    }
}

impl From<WebhookArg> for WebhookFault {
    fn from(arg: WebhookArg) -> Self {
        match arg {
            WebhookArg::None => Self::None,
            WebhookArg::WrongToken => Self::WrongToken,
            WebhookArg::MissingSignature => Self::MissingSignature,
            WebhookArg::AlteredBody => Self::AlteredBody,
            WebhookArg::HostCase => Self::HostCase,
            WebhookArg::OtherAccount => Self::OtherAccount,
        }
    }
}

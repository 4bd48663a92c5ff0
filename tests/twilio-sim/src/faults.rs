//! Everything that can be made to go wrong, in one place: the webhook, the stream, the REST interface, the callbacks.

use std::time::Duration;

/// What to do wrong in the middle of a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// A text message that is not JSON.
    Garbage,
    /// A media message with the `streamSid` of another stream.
    WrongStreamSid,
    /// A binary message.
    Binary,
    /// One text message of this many bytes.
    HugeText(usize),
    /// A well-formed message with an `event` that nobody knows.
    UnknownEvent,
    /// This exact text.
    Text(String),
    /// The caller's audio stops for this long; the socket stays open and everything else goes on.
    Freeze(Duration),
    /// This many frames of the caller's audio are lost; their chunk numbers and timestamps are missing.
    LostGap(u32),
    /// This many frames are held back and then sent at once.
    Burst(u32),
    /// From here on only every n-th frame is sent in its time: the audio falls behind.
    SlowSender(u32),
    /// Nothing is read from the socket for this long; sending goes on.
    SlowReader(Duration),
    /// Nothing is read or written any more, and the socket is never closed: the far end vanished. The script stands
    /// still from here on; the call ends by command or by its time limit.
    HalfOpen,
    /// The TCP connection is reset, without `stop` and without a close frame.
    DropTcp,
    /// A close frame with this code, without `stop`.
    Close(u16),
}

/// How the stream's handshake is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignatureMode {
    /// Over the `wss://` URL: what Twilio does.
    #[default]
    Wss,
    /// Over the `wss://` URL with a `/` appended: what Twilio's security notes hint at.
    WssSlash,
    /// Over the `https://` form of the URL.
    Https,
    /// With a token that is not the account's.
    Wrong,
    /// No signature header at all.
    None,
}

/// How the stream introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StartMode {
    /// As Twilio does.
    #[default]
    Normal,
    /// No `start` and no media: only `connected`, then silence.
    Missing,
    /// `start` names another call.
    ForeignCall,
    /// `start` names another account.
    ForeignAccount,
    /// `customParameters` is empty whatever the TwiML said.
    NoParameters,
    /// `mediaFormat` is not mu-law at 8000 Hz.
    OtherFormat,
}

/// Deviations that hold for the whole of every stream of a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamFaults {
    /// How the handshake is signed.
    pub signature: SignatureMode,
    /// What `start` says.
    pub start: StartMode,
    /// Counters as JSON numbers instead of strings, as some compatible services send them.
    pub numeric_counters: bool,
}

/// What is wrong with the signed requests of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WebhookFault {
    /// Nothing.
    #[default]
    None,
    /// Signed with a token that is not the account's.
    WrongToken,
    /// No signature header.
    MissingSignature,
    /// A parameter changed after signing.
    AlteredBody,
    /// Signed over the URL with its host in capitals.
    HostCase,
    /// Signed correctly, but for another account's `AccountSid`.
    OtherAccount,
}

/// What becomes of the status callback at the end of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallbackDelivery {
    /// It arrives once.
    #[default]
    Once,
    /// It arrives twice.
    Twice,
    /// It is lost.
    Lost,
}

/// How the REST interface fails. Each fault is used up by the number of requests it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestFault {
    /// 429 with code 20429 and this `Retry-After`; the request is not processed.
    TooManyRequests {
        /// How many requests.
        times: u32,
        /// Seconds in `Retry-After`; none: no such header.
        retry_after: Option<u32>,
    },
    /// 500 with code 20500; the request is not processed.
    ServerError {
        /// How many requests.
        times: u32,
    },
    /// The answer comes late; the request is processed first.
    Delay {
        /// How many requests.
        times: u32,
        /// How late.
        by: Duration,
    },
    /// The request is processed, then the connection is cut without an answer: outcome unknown.
    ResetAfterProcessing {
        /// How many requests.
        times: u32,
    },
    /// Connections are accepted and cut at once.
    Down {
        /// How many connections.
        times: u32,
    },
}

impl RestFault {
    pub(crate) fn times(&mut self) -> &mut u32 {
        match self {
            Self::TooManyRequests { times, .. }
            | Self::ServerError { times }
            | Self::Delay { times, .. }
            | Self::ResetAfterProcessing { times }
            | Self::Down { times } => times,
        }
    }
}

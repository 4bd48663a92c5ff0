//! TwiML, read as strictly as Twilio reads it, and the warnings it would put into its debugger.

use std::fmt;

mod read;

pub use read::{MAX_DOCUMENT, parse};

/// One `<Response>`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// What to do, top to bottom.
    pub verbs: Vec<Verb>,
    /// Elements and attributes that Twilio would skip with a warning, and faults it would mend.
    pub warnings: Vec<TwimlError>,
}

/// What is wrong with a document, in Twilio's numbering.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}")]
pub struct TwimlError {
    /// The error code, such as 12100.
    pub code: u32,
    /// What was found.
    pub text: String,
}

/// GET or POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Parameters in the body.
    #[default]
    Post,
    /// Parameters in the query.
    Get,
}

/// One `<Parameter>` of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// One `<Stream>` inside `<Connect>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamNoun {
    /// Where to connect; its query string has been cut off, as Twilio does.
    pub url: String,
    /// The name given to it, if any.
    pub name: Option<String>,
    /// Where stream callbacks go.
    pub status_callback: Option<String>,
    /// How.
    pub status_callback_method: Method,
    /// Custom parameters.
    pub parameters: Vec<Parameter>,
}

/// Whom `<Dial>` rings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// The numbers, addresses and names inside, in order.
    pub targets: Vec<String>,
    /// Where the outcome goes.
    pub action: Option<String>,
    /// How.
    pub method: Method,
    /// How long it rings, in seconds.
    pub timeout: u64,
    /// The caller ID shown.
    pub caller_id: Option<String>,
}

/// One `<Gather>` for digits.
#[derive(Debug, Clone, PartialEq)]
pub struct Gather {
    /// Where the digits go; none: the document's own URL.
    pub action: Option<String>,
    /// How.
    pub method: Method,
    /// Seconds of waiting for a key.
    pub timeout: f64,
    /// How many keys are enough.
    pub num_digits: Option<usize>,
    /// The key that ends the input; empty: none does.
    pub finish_on_key: String,
    /// Whether no input is reported too.
    pub action_on_empty: bool,
    /// What the caller hears meanwhile.
    pub prompts: Vec<Verb>,
}

/// One `<Record>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Where the result goes; none: the document's own URL.
    pub action: Option<String>,
    /// How.
    pub method: Method,
    /// The longest message, in seconds.
    pub max_length: f64,
    /// Who is told when the file is ready.
    pub status_callback: Option<String>,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Verb {
    /// Reads a text aloud.
    Say {
        /// The text, `<Say>`'s children flattened.
        text: String,
        /// How often; 0 means until the caller hangs up.
        times: u32,
    },
    /// Plays a file.
    Play {
        /// Its URL, or nothing for digits.
        url: String,
        /// Tones instead of a file.
        digits: Option<String>,
    },
    /// Waits for this many seconds.
    Pause(f64),
    /// Asks for keys.
    Gather(Gather),
    /// Takes a message.
    Record(Record),
    /// Rings somebody.
    Dial(Dial),
    /// Goes on with another document.
    Redirect {
        /// Which.
        url: String,
        /// How it is fetched.
        method: Method,
    },
    /// Refuses the call.
    Reject {
        /// Whether the caller hears a busy signal.
        busy: bool,
    },
    /// Ends the call.
    Hangup,
    /// A bidirectional stream.
    Connect {
        /// The document after it; none: the next verb.
        action: Option<String>,
        /// How it is fetched.
        method: Method,
        /// The stream.
        stream: StreamNoun,
    },
    /// A verb that this simulator accepts and passes over: `<Start>`, `<Stop>`, `<Enqueue>`, `<Leave>`.
    Skipped(String),
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Say { text, .. } => write!(f, "Say {text:?}"),
            Self::Play { url, digits } => write!(f, "Play {}", digits.as_deref().unwrap_or(url)),
            Self::Pause(length) => write!(f, "Pause {length}"),
            Self::Gather(_) => f.write_str("Gather"),
            Self::Record(_) => f.write_str("Record"),
            Self::Dial(dial) => write!(f, "Dial {}", dial.targets.join(", ")),
            Self::Redirect { url, .. } => write!(f, "Redirect {url}"),
            Self::Reject { busy } => f.write_str(if *busy { "Reject busy" } else { "Reject" }),
            Self::Hangup => f.write_str("Hangup"),
            Self::Connect { stream, .. } => write!(f, "Connect {}", stream.url),
            Self::Skipped(name) => f.write_str(name),
        }
    }
}

//! A call as the REST interface shows it.

use std::fmt;

use serde_json::{Value, json};

/// State of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallState {
    /// Accepted, not yet dialled.
    Queued,
    /// Not answered yet.
    Ringing,
    /// Answered.
    InProgress,
    /// Answered and over.
    Completed,
    /// Refused with a busy signal.
    Busy,
    /// Not answered.
    NoAnswer,
    /// Could not be set up, or its document could not be fetched or run.
    Failed,
    /// Taken back before it was answered.
    Canceled,
}

impl CallState {
    /// Whether nothing can change any more.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Ringing | Self::InProgress)
    }

    /// Twilio's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

impl fmt::Display for CallState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The parts of a call's REST resource that differ from call to call.
#[derive(Debug, Clone)]
pub(crate) struct CallFacts {
    pub(crate) account_sid: String,
    pub(crate) sid: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) direction: &'static str,
    pub(crate) created: String,
    pub(crate) ended: Option<String>,
    pub(crate) duration_s: Option<u64>,
    pub(crate) state: CallState,
}

impl CallFacts {
    pub(crate) fn json(&self) -> Value {
        let account = &self.account_sid;
        let base = format!("/2010-04-01/Accounts/{account}/Calls/{}", self.sid);
        let outbound = self.direction != "inbound";
        json!({
            "sid": self.sid, "account_sid": account, "parent_call_sid": null,
            "to": self.to, "to_formatted": self.to, "from": self.from, "from_formatted": self.from,
            "phone_number_sid": if outbound { Value::Null } else { json!("PN00000000000000000000000000000001") },
            "status": self.state.as_str(),
            "start_time": self.created, "end_time": self.ended,
            "duration": self.duration_s.map(|s| s.to_string()),
            "price": null, "price_unit": "USD", "direction": self.direction, "answered_by": null,
            "forwarded_from": null, "caller_name": null, "queue_time": "0", "trunk_sid": null,
            "group_sid": null, "annotation": null, "api_version": "2010-04-01",
            "date_created": self.created, "date_updated": self.ended.as_ref().unwrap_or(&self.created),
            "uri": format!("{base}.json"),
            "subresource_uris": {
                "recordings": format!("{base}/Recordings.json"),
                "streams": format!("{base}/Streams.json"),
            },
        })
    }
}

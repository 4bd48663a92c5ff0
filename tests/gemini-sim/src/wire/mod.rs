//! The Live API's JSON, written down a second time: this side judges the product, so it shares none of its code.
//!
//! [`client`] reads what a client sends, tolerant where the service is (casing, base64 alphabets, numbers as text) and
//! strict where it is not; [`audio`] is its fast path; [`setup`] checks a setup against its model; [`server`] writes.

pub(crate) mod audio;
pub(crate) mod client;
pub(crate) mod server;
pub(crate) mod setup;
mod shape;

/// How the service says no: a close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

impl Refusal {
    pub(crate) fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// 1007 with the text that stands for nearly everything.
    pub(crate) fn invalid_argument() -> Self {
        Self::new(1007, "Request contains an invalid argument.")
    }

    /// The reason as the wire can carry it: 123 bytes, cut wherever that falls.
    pub(crate) fn cut_reason(&self) -> &str {
        let mut end = self.reason.len().min(123);
        while !self.reason.is_char_boundary(end) {
            end -= 1;
        }
        &self.reason[..end]
    }
}

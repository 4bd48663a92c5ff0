//! Where Twilio finds us, below `phone.public_url`.

/// A call asks what to do.
pub const VOICE: &str = "/twilio/voice";
/// A call has moved on.
pub const STATUS: &str = "/twilio/status";
/// A media stream has started, stopped, or could not be connected.
pub const STREAM: &str = "/twilio/stream";
/// The person at the fallback number has hung up, or has not answered.
pub const AFTER: &str = "/twilio/after";
/// The same of whoever is called when a life may be in danger: behind them the fallback number is still to be rung.
pub const AFTER_ON_CALL: &str = "/twilio/after?of=on-call";
/// A message was left.
pub const VOICEMAIL: &str = "/twilio/voicemail";
/// A media stream; its token follows.
pub const MEDIA: &str = "/twilio/media/";

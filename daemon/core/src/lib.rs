//! What Frontdesk decides.
pub mod audio;
pub mod units;

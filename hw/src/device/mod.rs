//! Which device: what the configuration may say ([`spec`]), what is there ([`mod@list`]), which one is meant ([`mod@select`]) and
//! what is known about it ([`quirks`]); what lies between it and the machine ([`chain`]).

pub mod chain;
pub mod list;
pub mod quirks;
pub mod select;
pub mod spec;

pub use list::{Card, Roots, Usb, list};
pub use select::{SelectError, Selected, select};
pub use spec::{DeviceSpec, SpecError};

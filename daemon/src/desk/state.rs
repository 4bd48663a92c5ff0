//! How the desk is, for whoever asks.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use frontdesk_hw::knobs::Knobs;
use frontdesk_hw::pcm::alsa;

use super::port::Device;

/// Whoever looks at meters looks again within that time.
const METERS: Duration = Duration::from_secs(3);

/// What is known of the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceState {
    /// None is wanted.
    Off,
    /// None can be used; why, and what would help.
    Absent(String),
    /// It runs.
    Ready(Device),
}

#[derive(Debug)]
struct Known {
    device: DeviceState,
    /// A remark on the device that is about to be there.
    early: Option<String>,
    /// The last such remark on the device that is there.
    arrived: Option<String>,
    talking: bool,
}

/// How the desk is. Written by its task, read by whoever asks; the lock is held for a copy. Whether it is muted is told by
/// the switch itself, which the audio thread obeys.
#[derive(Debug)]
pub struct DeskState {
    known: Mutex<Known>,
    knobs: &'static Knobs,
}

impl DeskState {
    /// A desk whose device is `device` and whose audio threads obey `knobs`.
    pub fn new(device: DeviceState, knobs: &'static Knobs) -> Self {
        let known = Mutex::new(Known { device, early: None, arrived: None, talking: false });
        Self { known, knobs }
    }

    /// The device.
    pub fn device(&self) -> DeviceState {
        self.lock().device.clone()
    }

    /// Whether the microphone is off.
    pub fn is_muted(&self) -> bool {
        self.knobs.is_muted()
    }

    /// Whether a conversation runs.
    pub fn is_talking(&self) -> bool {
        self.lock().talking
    }

    /// Lets the device's streams run for the next seconds, for somebody who looks at its levels. Never blocks.
    pub fn want_levels(&self) {
        self.knobs.want_until(alsa::after(METERS));
    }

    pub(crate) fn set_device(&self, mut device: DeviceState) {
        let mut known = self.lock();
        let early = known.early.take();
        if let DeviceState::Ready(device) = &mut device {
            device.remarks.extend(early.clone());
        }
        known.arrived = early;
        known.device = device;
    }

    /// A remark on this device, or on the next one when there is none.
    pub(super) fn remark_early(&self, remark: String) {
        let mut known = self.lock();
        if matches!(known.device, DeviceState::Ready(_)) {
            known.arrived = Some(remark.clone());
            drop(known);
            self.remark(remark);
        } else {
            known.early = Some(remark);
        }
    }

    /// What the last of those remarks told is over.
    pub(super) fn take_back_early(&self) {
        let mut known = self.lock();
        known.early = None;
        let over = known.arrived.take();
        if let DeviceState::Ready(device) = &mut known.device {
            device.remarks.retain(|remark| Some(remark) != over.as_ref());
        }
    }

    pub(super) fn remark(&self, remark: String) {
        // A button that comes and goes says the same for days.
        if let DeviceState::Ready(device) = &mut self.lock().device
            && !device.remarks.contains(&remark)
        {
            device.remarks.push(remark);
        }
    }

    pub(super) fn set_talking(&self, talking: bool) {
        self.lock().talking = talking;
    }

    /// A few words for `systemctl status`; `None` where there is no desk.
    pub fn words(&self) -> Option<String> {
        let known = self.lock();
        let device = match &known.device {
            DeviceState::Off => return None,
            DeviceState::Absent(_) => "no speakerphone".to_owned(),
            DeviceState::Ready(device) => device_words(device),
        };
        let talking = if known.talking { ", in conversation" } else { "" };
        let muted = if self.is_muted() { ", muted" } else { "" };
        Some(format!("desk: {device}{talking}{muted}"))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A device's name and rate, and whether its sound may stutter: `Jabra Speak2 55, 48 kHz`.
fn device_words(Device { name, opening, .. }: &Device) -> String {
    let rates = match (opening.capture_hz, opening.playout_hz) {
        (both, playout) if both == playout => khz(both),
        (capture, playout) => format!("{}/{}", khz(capture), khz(playout)),
    };
    let priority = if opening.priority_refused.is_some() { ", no real-time priority" } else { "" };
    format!("{name}, {rates} kHz{priority}")
}

/// 48 or 44.1.
fn khz(hz: u32) -> String {
    (f64::from(hz) / 1_000.0).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::port::Opening;
    use super::*;

    fn words(capture_hz: u32, playout_hz: u32, refused: Option<&str>) -> String {
        let opening = Opening { capture_hz, playout_hz, priority_refused: refused.map(str::to_owned), sysfs: None };
        device_words(&Device { name: "Jabra Speak2 55".into(), opened: String::new(), remarks: Vec::new(), opening })
    }

    #[test]
    fn a_device_is_told_by_name_and_rate() {
        assert_eq!(words(48_000, 48_000, None), "Jabra Speak2 55, 48 kHz");
        assert_eq!(words(16_000, 44_100, None), "Jabra Speak2 55, 16/44.1 kHz");
        assert_eq!(words(16_000, 16_000, Some("denied")), "Jabra Speak2 55, 16 kHz, no real-time priority");
    }
}

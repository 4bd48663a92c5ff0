//! How the desk is, for whoever asks.

use std::sync::{Mutex, MutexGuard, PoisonError};

use frontdesk_hw::knobs::Knobs;

use super::port::Device;

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
            DeviceState::Ready(device) => device.name.clone(),
        };
        let talking = if known.talking { ", in conversation" } else { "" };
        let muted = if self.is_muted() { ", muted" } else { "" };
        Some(format!("desk: {device}{talking}{muted}"))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Report descriptors and reports of whatever is plugged into a USB port.

use crate::is_short;
use crate::script::{acts, letter, piece, span};
use arbitrary::{Arbitrary, Unstructured};
use frontdesk_hw::hid::descriptor::{Lamp, Layout, MAX_DESCRIPTOR, MAX_REPORT, Place};
use frontdesk_hw::hid::telephony::{Due, Hook, Lamps, Telephony};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A report descriptor.
pub fn hid_descriptor(data: &[u8]) {
    match Layout::parse(data) {
        Ok(layout) => is_sound(&layout),
        Err(error) => is_short(&error),
    }
}

/// What whoever reads and composes reports relies on.
fn is_sound(layout: &Layout) {
    assert!(
        layout.keys.len() + layout.lamps.len() <= 15 * MAX_DESCRIPTOR,
        "as many controls as the descriptor can name"
    );
    let report = vec![0; layout.longest_input];
    assert!(report.len() <= MAX_REPORT + 1);
    for key in &layout.keys {
        assert_eq!(key.report != 0, layout.input_ids, "{key:?}");
        assert!(key.place.read(&report[usize::from(layout.input_ids)..]).is_some(), "{key:?} has room");
    }
    for lamp in &layout.lamps {
        let mut report = vec![0xFF; layout.outputs[&lamp.report]];
        assert!(report.len() <= MAX_REPORT && lamp.place.end() as usize <= 8 * report.len(), "{lamp:?} has room");
        lamp.place.clear(&mut report);
        assert_eq!(lamp.place.read(&report), Some(0), "{lamp:?} is off");
        lamp.place.light(&mut report);
        assert_ne!(lamp.place.read(&report), Some(0), "{lamp:?} is on");
    }
}

/// `R` an input report, `L` lamps that are wanted, `T` time that passes.
#[derive(Debug)]
enum Act<'a> {
    Report(&'a [u8]),
    Lamps(u8),
    Wait(Duration),
}

impl<'a> Arbitrary<'a> for Act<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match letter(bytes)? {
            b'L' => Self::Lamps(bytes.arbitrary()?),
            b'T' => Self::Wait(span(bytes, 20)?),
            _ => Self::Report(piece(bytes)?),
        })
    }
}

/// A report descriptor of up to 255 bytes, its length first; then what happens at such a device.
pub fn hid_reports(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let Ok(descriptor) = piece(&mut bytes) else { return };
    let Ok(layout) = Layout::parse(descriptor) else { return };
    let now = Instant::now();
    let telephony = Telephony::new(layout.clone(), Lamps::default(), now);
    let mut device = Device { layout, telephony, shown: BTreeMap::new(), now };
    device.write();
    for act in acts(&mut bytes) {
        device.act(&act);
        device.write();
    }
}

struct Device {
    layout: Layout,
    telephony: Telephony,
    /// The newest of every output report.
    shown: BTreeMap<u8, Vec<u8>>,
    now: Instant,
}

impl Device {
    fn act(&mut self, act: &Act<'_>) {
        match act {
            Act::Wait(span) => self.now += *span,
            Act::Lamps(bits) => {
                let [off_hook, ring, mute] = [1, 2, 4].map(|bit| bits & bit != 0);
                self.telephony.set_lamps(Lamps { off_hook, ring, mute });
            }
            Act::Report(report) => {
                let before = self.telephony.lamps();
                let pressed = self.telephony.input(report, self.now);
                assert_ne!(pressed.mute, Some(before.mute), "a press changes something");
                assert_eq!(self.telephony.lamps(), Lamps { mute: pressed.mute.unwrap_or(before.mute), ..before });
                let hook = if before.off_hook { Hook::On } else { Hook::Off };
                assert!(pressed.hook.is_none_or(|asked| asked == hook), "a press means what the lamps show");
            }
        }
    }

    /// Writes what is due; after that every lamp that was written at all is as it should be.
    fn write(&mut self) {
        let mut most = self.layout.outputs.len();
        while let Some(Due(report)) = self.telephony.due(self.now) {
            assert_eq!(report.len(), self.layout.outputs[&report[0]] + 1, "whole reports");
            self.shown.insert(report[0], report[1..].to_vec());
            self.telephony.written(self.now);
            most = most.checked_sub(1).expect("each report is written once");
        }
        if self.telephony.wake_at().is_some() {
            return;
        }
        let lamps = self.telephony.lamps();
        for control in &self.layout.lamps {
            let lit = match control.lamp {
                Lamp::OffHook => lamps.off_hook,
                Lamp::Mute => lamps.mute,
                Lamp::Ring | Lamp::Ringer => lamps.ring,
                Lamp::Hold | Lamp::Microphone | Lamp::Online => false,
            };
            let shows = control.place.read(&self.shown[&control.report]) != Some(0);
            // An array may have fewer slots than lamps.
            assert!(shows == lit || matches!(control.place, Place::Slots { .. }) && lit, "{control:?} shows {shows}");
        }
    }
}

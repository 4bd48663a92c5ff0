//! What lies between a USB device and the machine: its speed, that of each hub, and the controller.

use std::fs;
use std::path::Path;

/// Megabits per second of full speed, all that USB 1.1 has.
pub const FULL_SPEED: u32 = 12;

/// The way of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// The device's own speed, Mbit/s. Most speakerphones are full-speed devices (12) in any port.
    pub speed: Option<u32>,
    /// The speed of each hub above it, the nearest first, Mbit/s; the last is the root hub: the port of the machine.
    pub hubs: Vec<u32>,
    /// The controller's driver as its root hub names it: `Linux 6.6.51 xhci-hcd`.
    pub controller: Option<String>,
}

impl Chain {
    /// Reads it from the device's directory in `/sys`; what is missing there is unknown.
    pub fn read(device: &Path) -> Self {
        let attribute = |folder: &Path, name: &str| {
            let text = fs::read_to_string(folder.join(name)).ok()?;
            Some(text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let speed = |folder: &Path| attribute(folder, "speed").and_then(|text| text.parse().ok());
        // Above the root hub lies the controller, which is no USB device and has no speed.
        let above: Vec<&Path> = device.ancestors().skip(1).take_while(|folder| speed(folder).is_some()).collect();
        Self {
            speed: speed(device),
            hubs: above.iter().filter_map(|folder| speed(folder)).collect(),
            controller: above.last().and_then(|root| attribute(root, "manufacturer")),
        }
    }

    /// Whether a hub, or the port itself, knows nothing but USB 1.1: everything behind it shares 12 Mbit/s.
    pub fn is_narrow(&self) -> bool {
        self.hubs.iter().any(|hub| *hub <= FULL_SPEED)
    }

    /// Whether its controller is of the kind (`dwc2`, `dwc_otg`: Raspberry Pi 3 and before, Zero) behind which full-speed
    /// sound loses packets without ALSA noticing (raspberrypi/linux #5188, #2215, #7475).
    pub fn loses_packets(&self) -> bool {
        let dwc = |name: &String| name.to_ascii_lowercase().contains("dwc");
        self.speed.is_some_and(|speed| speed <= FULL_SPEED) && self.controller.as_ref().is_some_and(dwc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &Path, speed: &str, manufacturer: &str) {
        fs::create_dir_all(path).unwrap();
        fs::write(path.join("speed"), format!("{speed}\n")).unwrap();
        fs::write(path.join("manufacturer"), format!("{manufacturer}\n")).unwrap();
    }

    #[test]
    fn a_slow_hub_is_found_and_a_slow_device_in_a_fast_port_is_none() {
        let root = tempfile::tempdir().unwrap();
        let usb1 = root.path().join("pci0000:00/usb1");
        folder(&usb1, "480", "Linux 6.1.0 xhci-hcd");
        folder(&usb1.join("1-1"), "12", "an old hub");
        folder(&usb1.join("1-1/1-1.2"), "12", "GN");
        folder(&usb1.join("1-2"), "12", "GN");
        let behind = Chain::read(&usb1.join("1-1/1-1.2"));
        assert_eq!((behind.speed, behind.hubs.as_slice()), (Some(12), &[12, 480][..]));
        assert!(behind.is_narrow() && !behind.loses_packets());
        let direct = Chain::read(&usb1.join("1-2"));
        assert_eq!(direct.controller.as_deref(), Some("Linux 6.1.0 xhci-hcd"));
        assert!(!direct.is_narrow() && !direct.loses_packets());
        assert_eq!(Chain::read(&root.path().join("nothing")), Chain::default());
    }

    #[test]
    fn the_controller_of_early_raspberries_is_known_by_its_driver() {
        let root = tempfile::tempdir().unwrap();
        let usb1 = root.path().join("3f980000.usb/usb1");
        folder(&usb1, "480", "Linux 6.1.21-v8+ dwc_otg_hcd");
        folder(&usb1.join("1-1"), "12", "GN");
        assert!(Chain::read(&usb1.join("1-1")).loses_packets());
        folder(&usb1.join("1-2"), "480", "somebody");
        assert!(!Chain::read(&usb1.join("1-2")).loses_packets(), "high speed is not affected");
    }
}

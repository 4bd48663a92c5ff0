//! Plugging a device into this computer's kernel: what `usbip attach` does, without that program.
//!
//! The kernel's virtual host controller takes a connected socket over which an import has just succeeded, and speaks USB/IP
//! on it by itself. Needs root and the module `vhci-hcd`.

use crate::bus::BUS_ID;
use crate::wire::{DEVICE, Request};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::time::Duration;

/// Where the controller is told to plug something in.
pub const VHCI: &str = "/sys/devices/platform/vhci_hcd.0";
/// A server that does not answer within this time will not.
const ANSWER: Duration = Duration::from_secs(5);
/// `USB_SPEED_FULL`
const FULL_SPEED: u32 = 2;
/// `VDEV_ST_NULL`: nothing is plugged into the port.
const FREE: &str = "004";

/// Imports the device that `server` has and plugs it into a free port of the controller, whose number is returned.
pub fn attach(server: SocketAddr, vhci: &Path) -> io::Result<u32> {
    let status = fs::read_to_string(vhci.join("status")).map_err(|error| {
        let text = format!("{}: {error}; \"modprobe vhci-hcd\" loads the virtual USB controller", vhci.display());
        io::Error::new(error.kind(), text)
    })?;
    let port =
        free_port(&status).ok_or_else(|| io::Error::other("every port of the virtual USB controller is taken"))?;
    let mut server = TcpStream::connect(reachable(server))?;
    server.set_nodelay(true)?;
    server.set_read_timeout(Some(ANSWER))?;
    server.write_all(&Request::Import(BUS_ID.into()).encode())?;
    let mut head = [0; 8];
    server.read_exact(&mut head)?;
    if head[4..] != [0; 4] {
        return Err(io::Error::other("the device is unplugged, or another host has it"));
    }
    let mut device = [0; DEVICE];
    server.read_exact(&mut device)?;
    server.set_read_timeout(None)?;
    // Bus and device number as the server has them.
    let word = |at: usize| u32::from_be_bytes([device[at], device[at + 1], device[at + 2], device[at + 3]]);
    let id = word(288) << 16 | word(292);
    fs::write(vhci.join("attach"), format!("{port} {} {id} {FULL_SPEED}", server.as_raw_fd()))?;
    Ok(port)
}

/// A server that listens everywhere is reached at home.
fn reachable(mut server: SocketAddr) -> SocketAddr {
    if server.ip().is_unspecified() {
        server.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    server
}

/// The first free port of the hub for full and high speed, from the controller's `status`.
fn free_port(status: &str) -> Option<u32> {
    status.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (hub, port, state) = (words.next()?, words.next()?, words.next()?);
        (hub == "hs" && state == FREE).then(|| port.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6.1 prints it.
    const STATUS: &str = "\
hub port sta spd dev      sockfd local_busid
hs  0000 006 002 00010002 000003 1-1
hs  0001 004 000 00000000 000000 0-0
ss  0008 004 000 00000000 000000 0-0
";

    #[test]
    fn the_first_free_port_is_taken() {
        assert_eq!(free_port(STATUS), Some(1));
        assert_eq!(free_port(&STATUS.replace("0001 004", "0001 006")), None, "the other hub is for another speed");
        assert_eq!(free_port(""), None);
    }

    #[test]
    fn without_the_controller_the_error_names_the_module() {
        let nowhere = tempfile::tempdir().unwrap();
        let error = attach(([127, 0, 0, 1], 1).into(), nowhere.path()).unwrap_err();
        assert!(error.to_string().contains("modprobe vhci-hcd"), "{error}");
    }
}

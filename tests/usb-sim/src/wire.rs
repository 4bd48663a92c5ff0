//! USB/IP, the wire: what a host sends and what a server answers, as bytes.
//!
//! Version 1.1.1 (`Documentation/usb/usbip_protocol.rst` of Linux). Numbers are big-endian. A connection begins with one
//! [`Request`]; after an import that succeeded it carries [`Command`]s one way and [`Reply`]s the other way for as long as the
//! device is plugged in. Both directions are written and read here, so that a client in tests speaks the same language.
//!
//! Facts that are not in the document, from `drivers/usb/usbip` of Linux 6.1: the data of isochronous IN transfers are sent
//! without gaps while packet descriptors keep the offsets of the request; `number_of_packets` is 0 or 0xFFFFFFFF when a
//! transfer is not isochronous; an answer that belongs to no transfer makes the kernel drop the whole device.

use std::fmt;

/// Version 1.1.1.
const VERSION: u16 = 0x0111;
const REQ_DEVLIST: u16 = 0x8005;
const REP_DEVLIST: u16 = 0x0005;
const REQ_IMPORT: u16 = 0x8003;
const REP_IMPORT: u16 = 0x0003;
const CMD_SUBMIT: u32 = 1;
const CMD_UNLINK: u32 = 2;
const RET_SUBMIT: u32 = 3;
const RET_UNLINK: u32 = 4;
/// Bytes of the header of a command or reply.
const HEADER: usize = 48;
const BUS_ID: usize = 32;
/// Bytes of a device in lists and answers.
pub const DEVICE: usize = 256 + BUS_ID + 24;
/// The longest transfer that is taken, bytes. The kernel's own are far below.
pub const MAX_TRANSFER: u32 = 1 << 20;
/// Most packets of an isochronous transfer (`USBIP_MAX_ISO_PACKETS` of Linux).
pub const MAX_PACKETS: u32 = 1024;

/// The peer does not speak USB/IP, or not as Linux does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireError {
    /// Another version.
    Version(u16),
    /// A code that nobody knows.
    Code(u32),
    /// A transfer that is larger than [`MAX_TRANSFER`].
    TransferSize(u32),
    /// More than [`MAX_PACKETS`].
    Packets(u32),
    /// A packet that lies outside its transfer.
    PacketOutside {
        /// Where it begins.
        offset: u32,
        /// Its length.
        length: u32,
    },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(it) => write!(f, "the peer speaks USB/IP version {it:#06x}; {VERSION:#06x} is spoken here"),
            Self::Code(it) => write!(f, "the peer sent the code {it:#x}, which USB/IP does not have"),
            Self::TransferSize(it) => {
                write!(f, "the peer asks for a transfer of {it} bytes; {MAX_TRANSFER} are allowed")
            }
            Self::Packets(it) => write!(f, "the peer asks for {it} packets in a transfer; {MAX_PACKETS} are allowed"),
            Self::PacketOutside { offset, length } => {
                write!(f, "the peer asks for a packet of {length} bytes at {offset}, which its transfer does not hold")
            }
        }
    }
}

impl std::error::Error for WireError {}

/// What was read from the front of a buffer: the item and its length in bytes; `None` when more bytes are needed.
pub type Read<T> = Result<Option<(T, usize)>, WireError>;

/// The first thing on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Which devices are there?
    List,
    /// I want the device with this bus id.
    Import(String),
}

impl Request {
    /// Reads one from the front of `bytes`.
    pub fn decode(bytes: &[u8]) -> Read<Self> {
        let Some(head) = bytes.first_chunk::<8>() else { return Ok(None) };
        let version = u16::from_be_bytes([head[0], head[1]]);
        if version != VERSION {
            return Err(WireError::Version(version));
        }
        match u16::from_be_bytes([head[2], head[3]]) {
            REQ_DEVLIST => Ok(Some((Self::List, 8))),
            REQ_IMPORT => Ok(bytes.get(8..8 + BUS_ID).map(|id| (Self::Import(text(id)), 8 + BUS_ID))),
            other => Err(WireError::Code(other.into())),
        }
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::List => preamble(REQ_DEVLIST, 0),
            Self::Import(id) => {
                let mut out = preamble(REQ_IMPORT, 0);
                out.extend(padded(id, BUS_ID));
                out
            }
        }
    }
}

/// A device as lists and answers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// `1-1`
    pub bus_id: String,
    /// idVendor, idProduct
    pub ids: (u16, u16),
    /// Class, subclass and protocol of each interface.
    pub interfaces: Vec<[u8; 3]>,
}

impl Listed {
    fn encode(&self) -> Vec<u8> {
        let mut out = padded(&format!("/sys/devices/platform/usb-sim/usb1/{}", self.bus_id), 256);
        out.extend(padded(&self.bus_id, BUS_ID));
        out.extend(words(&[1, 2, 2])); // bus 1, device 2, full speed
        out.extend([self.ids.0, self.ids.1, 0x0100].iter().flat_map(|number| number.to_be_bytes()));
        out.extend([0, 0, 0, 1, 1, self.interfaces.len() as u8]); // class by interface; configuration 1 of 1
        out
    }
}

/// The answer to [`Request::List`].
pub fn list(devices: &[Listed]) -> Vec<u8> {
    let mut out = preamble(REP_DEVLIST, 0);
    out.extend((devices.len() as u32).to_be_bytes());
    for device in devices {
        out.extend(device.encode());
        device.interfaces.iter().for_each(|[class, subclass, protocol]| out.extend([*class, *subclass, *protocol, 0]));
    }
    out
}

/// The answer to [`Request::Import`]: the device, or that it cannot be had.
pub fn import(device: Option<&Listed>) -> Vec<u8> {
    let mut out = preamble(REP_IMPORT, u32::from(device.is_none()));
    out.extend(device.map(Listed::encode).unwrap_or_default());
    out
}

/// A setup packet of a control transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Setup {
    /// bmRequestType
    pub kind: u8,
    /// bRequest
    pub request: u8,
    /// wValue
    pub value: u16,
    /// wIndex
    pub index: u16,
    /// wLength
    pub length: u16,
}

impl Setup {
    fn decode(bytes: [u8; 8]) -> Self {
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Self { kind: bytes[0], request: bytes[1], value: word(2), index: word(4), length: word(6) }
    }

    fn encode(self) -> [u8; 8] {
        let [value, index, length] = [self.value, self.index, self.length].map(u16::to_le_bytes);
        [self.kind, self.request, value[0], value[1], index[0], index[1], length[0], length[1]]
    }
}

/// A packet of an isochronous transfer, before it was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Where it stands in the transfer's buffer.
    pub offset: u32,
    /// Its room, bytes.
    pub length: u32,
}

/// A transfer that the host asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submit {
    /// Names it.
    pub sequence: u32,
    /// The device's number as the host knows it.
    pub device: u32,
    /// The endpoint with its direction bit.
    pub endpoint: u8,
    /// Bytes to carry at most.
    pub length: u32,
    /// For control transfers.
    pub setup: Setup,
    /// For isochronous transfers; else empty.
    pub packets: Vec<Packet>,
    /// What the host sends; empty when it reads.
    pub data: Vec<u8>,
}

/// What a host sends to an imported device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Carry this transfer out.
    Submit(Submit),
    /// Give the transfer `target` up.
    Unlink {
        /// Names this command.
        sequence: u32,
        /// Which transfer.
        target: u32,
    },
}

impl Command {
    /// Reads one from the front of `bytes`.
    pub fn decode(bytes: &[u8]) -> Read<Self> {
        let Some(head) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
        let word = |index: usize| word_at(head, 4 * index);
        let sequence = word(1);
        match word(0) {
            CMD_SUBMIT => {}
            CMD_UNLINK => return Ok(Some((Self::Unlink { sequence, target: word(5) }, HEADER))),
            other => return Err(WireError::Code(other)),
        }
        let (incoming, length) = (word(3) & 1 == 1, word(6));
        let count = match word(8) {
            u32::MAX => 0,
            count => count,
        };
        if length > MAX_TRANSFER {
            return Err(WireError::TransferSize(length));
        }
        if count > MAX_PACKETS {
            return Err(WireError::Packets(count));
        }
        let sent = if incoming { 0 } else { length as usize };
        let total = HEADER + sent + 16 * count as usize;
        let Some(body) = bytes.get(HEADER..total) else { return Ok(None) };
        let (data, packets) = body.split_at(sent);
        let packets: Vec<Packet> =
            packets.chunks_exact(16).map(|it| Packet { offset: word_at(it, 0), length: word_at(it, 4) }).collect();
        let outside = |it: &&Packet| it.offset.checked_add(it.length).is_none_or(|end| end > length);
        if let Some(Packet { offset, length }) = packets.iter().find(outside).copied() {
            return Err(WireError::PacketOutside { offset, length });
        }
        let endpoint = (word(4) as u8 & 0x0F) | if incoming { 0x80 } else { 0 };
        let setup = Setup::decode([40, 41, 42, 43, 44, 45, 46, 47].map(|at| head[at]));
        let data = data.to_vec();
        Ok(Some((Self::Submit(Submit { sequence, device: word(2), endpoint, length, setup, packets, data }), total)))
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Unlink { sequence, target } => words(&[CMD_UNLINK, *sequence, 0, 0, 0, *target, 0, 0, 0, 0, 0, 0]),
            Self::Submit(it) => {
                let incoming = u32::from(it.endpoint >> 7);
                let number = u32::from(it.endpoint & 0x0F);
                let count = it.packets.len() as u32;
                let head = [CMD_SUBMIT, it.sequence, it.device, incoming, number, 0, it.length, 0, count, 1];
                let mut out = words(&head);
                out.extend(it.setup.encode());
                out.extend(&it.data);
                it.packets.iter().for_each(|packet| out.extend(words(&[packet.offset, packet.length, 0, 0])));
                out
            }
        }
    }
}

/// A packet that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// What was asked for.
    pub packet: Packet,
    /// Bytes carried.
    pub actual: u32,
    /// 0, or a negative errno.
    pub status: i32,
}

/// A transfer that was carried out, or failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Completed {
    /// Which.
    pub sequence: u32,
    /// 0, or a negative errno.
    pub status: i32,
    /// Bytes carried.
    pub actual: u32,
    /// The bus frame in which an isochronous transfer began.
    pub start_frame: u32,
    /// For isochronous transfers; else empty.
    pub packets: Vec<Done>,
    /// What the device sends; empty when it was written to.
    pub data: Vec<u8>,
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To [`Command::Submit`].
    Completed(Completed),
    /// To [`Command::Unlink`].
    Unlinked {
        /// Which command.
        sequence: u32,
        /// −ECONNRESET when the transfer was given up, 0 when it had been carried out before.
        status: i32,
    },
}

impl Reply {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Unlinked { sequence, status } => {
                words(&[RET_UNLINK, *sequence, 0, 0, 0, *status as u32, 0, 0, 0, 0, 0, 0])
            }
            Self::Completed(it) => {
                let errors = it.packets.iter().filter(|packet| packet.status != 0).count() as u32;
                let count = it.packets.len() as u32;
                let head =
                    [RET_SUBMIT, it.sequence, 0, 0, 0, it.status as u32, it.actual, it.start_frame, count, errors];
                let mut out = words(&head);
                out.extend([0; 8]);
                out.extend(&it.data);
                for Done { packet, actual, status } in &it.packets {
                    out.extend(words(&[packet.offset, packet.length, *actual, *status as u32]));
                }
                out
            }
        }
    }

    /// Reads one from the front of `bytes`. Whether data follow only the asker knows: `incoming` tells it by the sequence
    /// number.
    pub fn decode(bytes: &[u8], incoming: impl Fn(u32) -> bool) -> Read<Self> {
        let Some(head) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
        let word = |index: usize| word_at(head, 4 * index);
        let (sequence, status) = (word(1), word(5) as i32);
        match word(0) {
            RET_SUBMIT => {}
            RET_UNLINK => return Ok(Some((Self::Unlinked { sequence, status }, HEADER))),
            other => return Err(WireError::Code(other)),
        }
        let (actual, start_frame, count) = (word(6), word(7), word(8));
        if actual > MAX_TRANSFER {
            return Err(WireError::TransferSize(actual));
        }
        if count > MAX_PACKETS {
            return Err(WireError::Packets(count));
        }
        let sent = if incoming(sequence) { actual as usize } else { 0 };
        let total = HEADER + sent + 16 * count as usize;
        let Some(body) = bytes.get(HEADER..total) else { return Ok(None) };
        let (data, packets) = body.split_at(sent);
        let done = |it: &[u8]| Done {
            packet: Packet { offset: word_at(it, 0), length: word_at(it, 4) },
            actual: word_at(it, 8),
            status: word_at(it, 12) as i32,
        };
        let packets = packets.chunks_exact(16).map(done).collect();
        let completed = Completed { sequence, status, actual, start_frame, packets, data: data.to_vec() };
        Ok(Some((Self::Completed(completed), total)))
    }
}

fn preamble(code: u16, status: u32) -> Vec<u8> {
    let mut out = VERSION.to_be_bytes().to_vec();
    out.extend(code.to_be_bytes());
    out.extend(status.to_be_bytes());
    out
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// The word at byte `at`; the caller has looked that it is there.
fn word_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// `text` and zeros, the last byte always zero.
fn padded(text: &str, length: usize) -> Vec<u8> {
    let mut out: Vec<u8> = text.bytes().take(length - 1).collect();
    out.resize(length, 0);
    out
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;

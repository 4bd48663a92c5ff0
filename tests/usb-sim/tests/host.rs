//! The program itself, with a host at the other end of real sockets: enumeration, sound both ways, buttons, unplugging.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use frontdesk_usb_sim::control::{Condition, Fault, Plug};
use frontdesk_usb_sim::descriptors::{BUTTONS, LOUDSPEAKER, MICROPHONE};
use frontdesk_usb_sim::wav::Sound;
use frontdesk_usb_sim::wire::{Command, Completed, DEVICE, Packet, Reply, Request, Setup, Submit};
use frontdesk_usb_sim::{Client, ClientError, Side};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// The program, and a folder for its files.
struct Sim {
    process: Child,
    usb: SocketAddr,
    control: SocketAddr,
    folder: tempfile::TempDir,
}

impl Sim {
    fn start(options: &[&str]) -> Self {
        let mut process = Process::new(env!("CARGO_BIN_EXE_usb-sim"))
            .args(["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (usb, control) = line.trim().split_once(' ').unwrap_or_else(|| panic!("{line:?}"));
        let address = |text: &str| text.split_once('=').unwrap().1.parse().unwrap();
        Self { process, usb: address(usb), control: address(control), folder: tempfile::tempdir().unwrap() }
    }

    fn client(&self) -> Client {
        Client::connect(self.control).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn wav(&self, name: &str, sound: &Sound) -> PathBuf {
        let path = self.file(name);
        std::fs::write(&path, sound.encode()).unwrap();
        path
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A host that has imported the device.
struct Host {
    stream: TcpStream,
    bytes: Vec<u8>,
    sequence: u32,
    /// Whether data come back, by sequence number.
    incoming: BTreeMap<u32, bool>,
}

fn connect(sim: &Sim) -> TcpStream {
    let stream = TcpStream::connect(sim.usb).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The answer's status, and the connection if it is 0.
fn import(sim: &Sim, id: &str) -> Result<Host, u32> {
    let mut stream = connect(sim);
    stream.write_all(&Request::Import(id.into()).encode()).unwrap();
    let mut head = [0; 8];
    stream.read_exact(&mut head).unwrap();
    match u32::from_be_bytes([head[4], head[5], head[6], head[7]]) {
        0 => {
            stream.read_exact(&mut [0; DEVICE]).unwrap();
            Ok(Host { stream, bytes: vec![], sequence: 0, incoming: BTreeMap::new() })
        }
        status => Err(status),
    }
}

impl Host {
    fn submit(&mut self, endpoint: u8, setup: Setup, length: u32, packets: Vec<Packet>, data: Vec<u8>) -> u32 {
        self.sequence += 1;
        self.incoming.insert(self.sequence, endpoint & 0x80 != 0);
        let submit = Submit { sequence: self.sequence, device: 0x1_0002, endpoint, length, setup, packets, data };
        self.stream.write_all(&Command::Submit(submit).encode()).unwrap();
        self.sequence
    }

    /// The next reply; `None` when the device was pulled out.
    fn reply(&mut self) -> Option<Completed> {
        loop {
            let incoming = |it: u32| self.incoming.get(&it).copied().unwrap_or(false);
            if let Some((Reply::Completed(it), length)) = Reply::decode(&self.bytes, incoming).unwrap() {
                self.bytes.drain(..length);
                return Some(it);
            }
            let mut more = [0; 16_384];
            match self.stream.read(&mut more).unwrap() {
                0 => return None,
                count => self.bytes.extend(&more[..count]),
            }
        }
    }

    fn control(&mut self, kind: u8, request: u8, value: u16, index: u16, data: &[u8], length: u16) -> Completed {
        let setup = Setup { kind, request, value, index, length };
        let sequence = self.submit(kind & 0x80, setup, length.into(), vec![], data.to_vec());
        let reply = self.reply().expect("it is plugged in");
        assert_eq!(reply.sequence, sequence);
        reply
    }

    fn read(&mut self, kind: u8, request: u8, value: u16, index: u16, length: u16) -> Vec<u8> {
        let reply = self.control(kind, request, value, index, &[], length);
        assert_eq!(reply.status, 0);
        reply.data
    }

    fn write(&mut self, kind: u8, request: u8, value: u16, index: u16, data: &[u8]) {
        assert_eq!(self.control(kind, request, value, index, data, data.len() as u16).status, 0);
    }

    fn serial(&mut self) -> String {
        let text = self.read(0x80, 6, 0x0303, 0x0409, 255);
        let units: Vec<u16> = text[2..].chunks_exact(2).map(|it| u16::from_le_bytes([it[0], it[1]])).collect();
        String::from_utf16(&units).unwrap()
    }

    fn start(&mut self, interface: u16, endpoint: u8, rate: u32) {
        self.write(0x01, 11, 1, interface, &[]);
        self.write(0x22, 1, 0x0100, endpoint.into(), &rate.to_le_bytes()[..3]);
    }

    fn play(&mut self, pcm: &[i16], per_packet: usize) {
        let mut offset = 0;
        let mut packet = |length: u32| {
            offset += length;
            Packet { offset: offset - length, length }
        };
        let packets: Vec<Packet> = pcm.chunks(per_packet).map(|it| packet(it.len() as u32 * 2)).collect();
        let data: Vec<u8> = pcm.iter().flat_map(|it| it.to_le_bytes()).collect();
        self.submit(LOUDSPEAKER, Setup::default(), data.len() as u32, packets, data);
    }

    fn listen(&mut self) {
        let packets = vec![Packet { offset: 0, length: 98 }];
        self.submit(MICROPHONE, Setup::default(), 98, packets, vec![]);
    }
}

fn noise(count: usize, rate: u32) -> Sound {
    Sound { rate, pcm: (0..count).map(|at| ((at * 7919 + 13) % 60_000) as i16).collect() }
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|it| i16::from_le_bytes([it[0], it[1]])).collect()
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    match answer {
        Err(ClientError::Refused(why)) => why,
        other => panic!("refused, was expected: {other:?}"),
    }
}

#[test]
fn a_host_finds_the_device_and_nobody_else_gets_it_meanwhile() {
    let sim = Sim::start(&["--id", "0b0e:2475", "--serial", "S7"]);
    let mut listing = connect(&sim);
    listing.write_all(&Request::List.encode()).unwrap();
    let mut all = Vec::new();
    listing.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), 12 + DEVICE + 4 * 4);
    assert!(matches!(import(&sim, "2-1"), Err(1)), "there is no such port");

    let mut host = import(&sim, "1-1").expect("it is free");
    assert!(matches!(import(&sim, "1-1"), Err(1)), "another host has it");
    let device = host.read(0x80, 6, 0x0100, 0, 18);
    assert_eq!(device[8..12], [0x0E, 0x0B, 0x75, 0x24]);
    let head = host.read(0x80, 6, 0x0200, 0, 9);
    let total = u16::from_le_bytes([head[2], head[3]]);
    assert_eq!(host.read(0x80, 6, 0x0200, 0, total).len(), usize::from(total));
    assert_eq!(host.serial(), "S7");
    host.write(0x00, 9, 1, 0, &[]);
    assert_eq!(host.control(0x80, 6, 0x0600, 0, &[], 10).status, -32, "no high speed: the request stalls");
    let status = sim.client().status().unwrap();
    assert!(status.attached && status.configured && status.attaches == 1, "{status:?}");

    drop(host);
    sim.client().wait(Condition::Detached, LIMIT).unwrap();
    import(&sim, "1-1").expect("it is free again");
}

#[test]
fn sound_goes_both_ways_at_once_bit_by_bit_and_no_faster_than_the_devices_clock() {
    let sim = Sim::start(&[]);
    let mut client = sim.client();
    let mut host = import(&sim, "1-1").expect("it is free");
    host.start(1, LOUDSPEAKER, 48_000);
    host.start(2, MICROPHONE, 48_000);
    let (played, said) = (noise(48 * 500, 48_000), noise(48 * 400, 48_000));
    client.say(&sim.wav("said.wav", &said)).unwrap();
    client.record(Side::Loudspeaker).unwrap();

    // As Linux does it: twelve transfers of 1 ms for the microphone, four of 5 ms for the loudspeaker are under way.
    let began = Instant::now();
    let mut parts = played.pcm.chunks(240);
    for _ in 0..12 {
        host.listen();
    }
    parts.by_ref().take(4).for_each(|part| host.play(part, 48));
    let (mut heard, mut written) = (Vec::new(), 0);
    while written < 100 || heard.len() < 48 * 500 {
        let reply = host.reply().expect("it is plugged in");
        assert_eq!(reply.status, 0);
        if host.incoming[&reply.sequence] {
            heard.extend(samples(&reply.data));
            host.listen();
        } else {
            written += 1;
            if let Some(part) = parts.next() {
                host.play(part, 48);
            }
        }
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(499), "500 ms of sound were over after {took:?}");
    assert_eq!(heard[..said.pcm.len()], said.pcm, "what was said");
    assert!(heard[said.pcm.len()..].iter().all(|it| *it == 0));

    let file = sim.file("heard.wav");
    client.stop_recording(Side::Loudspeaker, &file).unwrap();
    let recording = Sound::decode(&std::fs::read(&file).unwrap()).unwrap();
    let begins = recording.pcm.iter().position(|it| *it == played.pcm[0]).expect("it begins somewhere");
    assert_eq!(recording.pcm[begins..][..played.pcm.len()], played.pcm, "what was played");
    let status = client.status().unwrap();
    assert_eq!(status.loudspeaker.samples, 24_000);
    assert!(status.loudspeaker.active && status.microphone.active && status.left_to_say.is_zero());
}

#[test]
fn a_conversation_by_buttons_and_lamps() {
    let sim = Sim::start(&[]);
    let mut client = sim.client();
    let mut host = import(&sim, "1-1").expect("it is free");
    let key = |host: &mut Host| host.submit(BUTTONS, Setup::default(), 8, vec![], vec![]);
    let lamps = |host: &mut Host, bits: u8| host.write(0x21, 9, 0x0203, 3, &[3, bits]);

    assert!(refusal(client.press_mute()).contains("in a call only"));
    key(&mut host);
    client.press_hook().unwrap();
    assert_eq!(host.reply().unwrap().data, [1, 1]);
    lamps(&mut host, 0b001);
    client.wait(Condition::OffHook(true), LIMIT).unwrap();

    key(&mut host);
    client.press_mute().unwrap();
    assert_eq!(host.reply().unwrap().data, [1, 0b11]);
    lamps(&mut host, 0b011);
    client.wait(Condition::Mute(true), LIMIT).unwrap();
    let lit = client.lamps().unwrap();
    assert!(lit.off_hook.on && lit.mute.on && !lit.ring.on);
    assert!(lit.mute.since >= lit.off_hook.since);
    key(&mut host);
    assert_eq!(host.reply().unwrap().data, [1, 0b01], "the mute key is let go");

    key(&mut host);
    client.press_hook().unwrap();
    assert_eq!(host.reply().unwrap().data, [1, 0]);
    lamps(&mut host, 0);
    let told = client.events(Duration::ZERO).unwrap().join("\n");
    for part in ["hook pressed off-hook", "mute ignored", "mute pressed on", "lamp mute on", "hook pressed on-hook"] {
        assert!(told.contains(part), "{part} is missing:\n{told}");
    }
    assert!(refusal(client.wait(Condition::Ring(true), Duration::from_millis(1))).contains("in vain for ring on"));
}

#[test]
fn pulled_out_in_mid_sentence_and_plugged_in_as_another_device() {
    let sim = Sim::start(&[]);
    let mut client = sim.client();
    let mut host = import(&sim, "1-1").expect("it is free");
    host.start(2, MICROPHONE, 48_000);
    host.listen();
    host.reply().expect("a first millisecond");
    // A host that asks faster than it is served: what is still unread must die with the connection.
    let mut out = host.stream.try_clone().unwrap();
    let packets = vec![Packet { offset: 0, length: 98 }];
    let submit = |sequence| {
        let setup = Setup::default();
        Submit {
            sequence,
            device: 0x1_0002,
            endpoint: MICROPHONE,
            length: 98,
            setup,
            packets: packets.clone(),
            data: vec![],
        }
    };
    let flood: Vec<u8> = (1000..60_000).flat_map(|it| Command::Submit(submit(it)).encode()).collect();
    let flooding = std::thread::spawn(move || drop(out.write_all(&flood)));
    client.wait(Condition::Streams(Side::Microphone, true), LIMIT).unwrap();
    client.unplug().unwrap();
    flooding.join().unwrap();
    // Linux ends such a connection either way: orderly, or reset because of what was never read.
    while host.stream.read(&mut [0; 16_384]).is_ok_and(|count| count > 0) {}
    assert!(matches!(import(&sim, "1-1"), Err(1)), "nothing is plugged in");
    assert!(!client.status().unwrap().attached);

    let other = Plug { serial: Some("OTHER 2".into()), microphone: Some(false), ..Plug::default() };
    client.plug(&other).unwrap();
    assert!(refusal(client.plug(&other)).contains("\"unplug\" comes first"));
    let mut host = import(&sim, "1-1").expect("it is free");
    assert_eq!(host.serial(), "OTHER 2");
    assert_eq!(host.read(0x80, 6, 0x0200, 0, 9)[4], 3, "one interface less");
}

#[test]
fn faults_do_to_the_host_what_they_say() {
    let sim = Sim::start(&[]);
    let mut client = sim.client();
    let mut host = import(&sim, "1-1").expect("it is free");
    client.fault(Fault::Stall(1)).unwrap();
    assert_eq!(host.control(0xA1, 0x81, 0x0200, 0x0200, &[], 2).status, -32);
    assert_eq!(host.read(0xA1, 0x81, 0x0200, 0x0200, 2), [0, 0]);
    client.fault(Fault::Garbage(3)).unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        host.submit(BUTTONS, Setup::default(), 2, vec![], vec![]);
        let reply = host.reply().unwrap();
        seen.push((reply.status, reply.data.len()));
    }
    assert_eq!(seen, [(0, 0), (0, 1), (-75, 2)], "empty, too short, too long");
    host.start(2, MICROPHONE, 48_000);
    client.fault(Fault::Lose(1)).unwrap();
    host.listen();
    assert_eq!(host.reply().unwrap().packets[0].status, -18);
}

#[test]
fn whoever_speaks_something_else_is_hung_up_on_and_the_device_lives_on() {
    let sim = Sim::start(&[]);
    let mut stranger = connect(&sim);
    stranger.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    assert!(matches!(stranger.read(&mut [0; 16]), Ok(0) | Err(_)), "no answer");
    let mut host = import(&sim, "1-1").expect("it is free");
    host.stream.write_all(&[0xFF; 48]).unwrap();
    assert!(matches!(host.stream.read(&mut [0; 16]), Ok(0) | Err(_)), "no answer");
    let mut client = sim.client();
    client.wait(Condition::Detached, LIMIT).unwrap();
    assert_eq!(import(&sim, "1-1").expect("it is free").serial(), "SIM0001");
    assert!(refusal(client.order("frobnicate")).contains("\"help\" lists"));
    assert!(refusal(client.say(&sim.file("missing.wav"))).contains("missing.wav"));
    assert!(refusal(client.stop_recording(Side::Microphone, &sim.file("a.wav"))).contains("not being recorded"));
}

#[test]
fn the_program_explains_itself_and_sends_orders() {
    let run = |arguments: &[&str]| {
        let out = Process::new(env!("CARGO_BIN_EXE_usb-sim")).args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (out.status.code(), text(&out.stdout), text(&out.stderr))
    };
    let (code, help, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(help.contains("--attach") && help.contains("hook press"));
    let (code, _, error) = run(&["--clock", "7"]);
    assert_eq!((code, error.contains("from 0.5 to 2")), (Some(2), true), "{error}");
    let sim = Sim::start(&["--unplugged"]);
    let control = sim.control.to_string();
    let (code, status, _) = run(&["order", "--control", &control, "status"]);
    assert!(code == Some(0) && status.starts_with("ok ") && status.contains("plugged=off"), "{status}");
    let (code, _, error) = run(&["order", "--control", &control, "echo", "9", "60"]);
    assert!(code == Some(1) && error.contains("from 0 to 4"), "{error}");
    let (code, _, error) = run(&["--listen", &sim.usb.to_string()]);
    assert!(code == Some(1) && error.contains("cannot listen"), "{error}");
}

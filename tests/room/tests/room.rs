//! The room with a program at its desk: sound by sound, in real time, through the real alsa-lib and a real sound server.
//!
//! The program is `desk-duplex`, a process of its own, because alsa-lib finds its configuration through the environment.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use frontdesk_room::{BLOCK, EchoPath, RATE, Room};
use frontdesk_voice::{
    Recogniser, Voice,
    measure::{find, rms_dbfs},
    speak, wav,
};

const PLAYED: &str = "Riverside Clinic, good morning. How can I help you?";
const SPOKEN: &str = "What are your opening hours?";
const LATER: &str = "Can I renew my prescription by phone?";
/// Far above what a busy machine needs, and far below the patience of whoever waits for the tests.
const SOON: Duration = Duration::from_secs(10);

/// A program at the desk.
struct Desk {
    child: Child,
    lines: Receiver<(Instant, String)>,
    folder: tempfile::TempDir,
}

impl Desk {
    /// Starts it with `play` on its lips. Half a second of buffer, so that no stall of the machine is to be heard.
    fn start(room: &Room, play: &[i16], more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sound = folder.path().join("play.wav");
        wav::write_mono(&sound, play, RATE).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_desk-duplex"))
            .env_clear()
            .env("ALSA_CONFIG_PATH", room.alsa_config())
            .args(["--buffer", "50", "--play"])
            .arg(sound)
            .arg("--record")
            .arg(folder.path().join("record.wav"))
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                // The story may have ended before the program.
                let _ = sender.send((Instant::now(), line));
            }
        });
        Self { child, lines, folder }
    }

    /// Waits for a line that begins with `word`; returns when it came, and the line.
    fn tells(&self, word: &str) -> (Instant, String) {
        let deadline = Instant::now() + SOON;
        let mut told = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((at, line)) if line.starts_with(word) => return (at, line),
                Ok((_, line)) => told.push(line),
                Err(error) => panic!("no {word:?} but {told:?}: {error}"),
            }
        }
    }

    /// Waits for its end; returns what it captured.
    fn finish(mut self) -> Vec<i16> {
        self.tells("done");
        assert!(self.child.wait().unwrap().success());
        wav::read_mono(&self.folder.path().join("record.wav")).unwrap().0
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn speech(text: &str) -> Vec<i16> {
    speak(text, &Voice::default(), RATE).unwrap()
}

#[test]
fn what_a_program_plays_comes_out_of_the_loudspeaker_to_the_bit() {
    let room = Room::start().unwrap();
    let played = speech(PLAYED);
    let desk = Desk::start(&room, &played, &["--seconds", "5"]);
    room.air().wait_for_voice(Duration::from_millis(500), SOON).unwrap();
    room.air().wait_for_silence(Duration::from_secs(1), SOON).unwrap();
    let heard = room.air().loudspeaker().since(0);
    let found = find(&played, &heard).unwrap();
    assert!(found.correlation >= 0.99, "{found:?}");
    assert!(heard[found.at..].starts_with(&played), "changed on the way: {found:?}");
    assert!(rms_dbfs(&desk.finish()) < -100.0, "heard itself without an echo");
}

#[test]
fn what_the_person_says_reaches_the_program() {
    let room = Room::start().unwrap();
    let desk = Desk::start(&room, &[], &["--seconds", "5"]);
    desk.tells("open");
    let said = room.air().say(SPOKEN).unwrap();
    let positions = room.air().wait_until_said(&said, SOON).unwrap();
    assert_eq!(room.air().microphone().samples(positions), *said.pcm);
    let captured = desk.finish();
    let found = find(&said.pcm, &captured).unwrap();
    assert!(found.correlation >= 0.99 && found.gain_db.abs() < 0.01, "{found:?}");
    let recogniser = Recogniser::new(RATE, [PLAYED, SPOKEN, LATER].map(|text| (text.to_owned(), speech(text))));
    assert_eq!(recogniser.recognise(&captured).map(|it| it.text).as_deref(), Some(SPOKEN));
    assert!(recogniser.words_heard(1, &captured).words.iter().all(|word| word.heard));
}

#[test]
fn the_echo_has_the_gain_and_the_delay_that_were_asked_for() {
    let room = Room::start().unwrap();
    let line = speech(SPOKEN);
    // The same line twice, three seconds from beginning to beginning.
    let distance = 3 * RATE as usize;
    let mut played = line.clone();
    played.resize(distance, 0);
    played.extend(&line);
    room.air().set_echo(Some(&EchoPath { gain_db: -1.0, delay: Duration::ZERO, response: None }));
    let desk = Desk::start(&room, &played, &["--seconds", "7"]);
    room.air().wait_for_voice(Duration::from_millis(500), SOON).unwrap();
    room.air().wait_for_silence(Duration::from_millis(500), SOON).unwrap();
    room.air().set_echo(Some(&EchoPath::default()));
    let captured = desk.finish();
    // Between the two, wherever the sound server's own delay has put them.
    let first = find(&line, &captured[..distance]).unwrap();
    let second = find(&line, &captured[first.at + line.len()..]).unwrap();
    let second_at = second.at + first.at + line.len();
    assert!(first.correlation > 0.999 && second.correlation > 0.999, "{first:?} {second:?}");
    assert!((first.gain_db + 1.0).abs() < 0.05 && (second.gain_db + 6.0).abs() < 0.05, "{first:?} {second:?}");
    assert_eq!(second_at - first.at, distance + 60 * RATE as usize / 1_000);
}

#[test]
fn unplugged_it_fails_at_once_and_plugged_in_again_it_speaks() {
    let mut room = Room::start().unwrap();
    let desk = Desk::start(&room, &[], &["--seconds", "7", "--reopen"]);
    desk.tells("open");
    room.air().say(SPOKEN).unwrap();
    room.air().wait_until(room.air().now() + u64::from(RATE), SOON).unwrap();
    let unplugged = Instant::now();
    room.unplug().unwrap();
    let (failed, line) = desk.tells("error");
    assert!(
        failed.saturating_duration_since(unplugged) < Duration::from_secs(1),
        "{line} after {:?}",
        failed - unplugged
    );
    let (_, line) = desk.tells("error opening");
    assert!(line.contains("errno=2 "), "an unknown name is ENOENT: {line}");
    let plugged = Instant::now();
    room.plug().unwrap();
    let (opened, _) = desk.tells("open");
    assert!(opened.saturating_duration_since(plugged) < Duration::from_secs(2), "{:?}", opened - plugged);
    let said = room.air().say(LATER).unwrap();
    let captured = desk.finish();
    assert!(find(&said.pcm, &captured).unwrap().correlation > 0.99);
}

#[test]
fn another_speakerphone_has_another_name() {
    let mut room = Room::start().unwrap();
    room.plug_as("another").unwrap();
    let old = Desk::start(&room, &[], &["--seconds", "1"]);
    assert!(old.tells("error opening").1.contains("errno=2 "));
    let new = Desk::start(&room, &speech(SPOKEN), &["--seconds", "4", "--device", "another"]);
    room.air().wait_for_voice(Duration::from_millis(500), SOON).unwrap();
    new.finish();
}

#[test]
fn two_rooms_do_not_hear_each_other() {
    let (loud, quiet) = (Room::start().unwrap(), Room::start().unwrap());
    let played = speech(PLAYED);
    let talks = Desk::start(&loud, &played, &["--seconds", "5"]);
    let listens = Desk::start(&quiet, &[], &["--seconds", "5"]);
    talks.tells("open");
    listens.tells("open");
    loud.air().say(SPOKEN).unwrap();
    loud.air().wait_for_voice(Duration::from_millis(500), SOON).unwrap();
    assert!(rms_dbfs(&talks.finish()) > -40.0);
    assert!(listens.finish().iter().all(|sample| *sample == 0));
    assert!(quiet.air().loudspeaker().since(0).iter().all(|sample| *sample == 0));
}

#[test]
fn a_person_speaks_over_what_is_being_said() {
    let room = Room::start().unwrap();
    let played = speech(PLAYED);
    let desk = Desk::start(&room, &played, &["--seconds", "5"]);
    let said = room.air().interrupt("Stop.", Duration::from_millis(400), SOON).unwrap();
    let positions = room.air().wait_until_said(&said, SOON).unwrap();
    desk.finish();
    let found = find(&played, &room.air().loudspeaker().since(0)).unwrap();
    assert!(found.correlation > 0.99, "{found:?}");
    let first_word = found.at as u64;
    // The person hears in blocks: the first one may begin before the word.
    let over = first_word + u64::from(RATE) * 4 / 10 - BLOCK as u64..first_word + played.len() as u64;
    assert!(over.contains(&positions.start), "{} is not in {over:?}", positions.start);
}

#[test]
fn nothing_is_left_behind() {
    let room = Room::start().unwrap();
    let (process, config) = (process(room.server().pid()), room.alsa_config());
    assert!(process.exists() && config.exists());
    drop(room);
    assert!(!process.exists() && !config.exists());
}

#[test]
fn the_server_ends_with_whoever_started_it_however_that_ends() {
    let mut program =
        Command::new(env!("CARGO_BIN_EXE_desk-room")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    // Held to the end: a program that prints its second line into a closed pipe ends, and its server with it.
    let mut printed = BufReader::new(program.stdout.take().unwrap());
    printed.read_line(&mut line).unwrap();
    let config = PathBuf::from(line.trim().strip_prefix("ALSA_CONFIG_PATH=").unwrap());
    let folder = config.parent().unwrap().to_owned();
    let server = server_in(&folder).expect("the server runs");
    program.kill().unwrap();
    program.wait().unwrap();
    let deadline = Instant::now() + SOON;
    while server.exists() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    assert!(!server.exists(), "{} lives on", server.display());
    fs::remove_dir_all(folder).unwrap();
}

fn process(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

/// The sound server that was started from `folder`.
fn server_in(folder: &Path) -> Option<PathBuf> {
    let folder = folder.to_str()?;
    fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path()).find(|path| {
        fs::read_to_string(path.join("cmdline"))
            .is_ok_and(|line| line.starts_with("pulseaudio") && line.contains(folder))
    })
}
